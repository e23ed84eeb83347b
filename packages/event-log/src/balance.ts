/**
 * Who owns which shard after a member came or went: every shard has an owner, the numbers differ by at most one, and a
 * shard moves only when it must, because each move voids a batch in flight.
 *
 * @param owners owner of shard i, or undefined; owners that are not in `members` lose their shards.
 */
export const balance = <M>(owners: readonly (M | undefined)[], members: readonly M[]): (M | undefined)[] => {
  if (members.length === 0) return owners.map(() => undefined);
  const held = new Map<M, number[]>(members.map((member) => [member, []]));
  const free: number[] = [];
  owners.forEach((owner, shard) => {
    const shards = owner === undefined ? undefined : held.get(owner);
    if (shards) shards.push(shard);
    else free.push(shard);
  });
  const least = Math.floor(owners.length / members.length);
  let withOneMore = owners.length % members.length;
  // Those who hold most keep the larger shares, so fewest shards move.
  const byHolding = [...held].sort(([, a], [, b]) => b.length - a.length);
  const result = [...owners];
  const wants: [M, number][] = [];
  for (const [member, shards] of byHolding) {
    const share = withOneMore > 0 ? least + 1 : least;
    if (withOneMore > 0) withOneMore -= 1;
    free.push(...shards.splice(share));
    wants.push([member, share - shards.length]);
  }
  for (const [member, count] of wants) for (let i = 0; i < count; i += 1) result[free.pop() as number] = member;
  return result;
};
