/** Rotates a vault's root key without end and tells a key wrapped under each, to be killed meanwhile. */
import { openSealedFileKeyVault } from '../sealed-file-key-vault.ts';

const vault = await openSealedFileKeyVault({ file: process.argv[2] as string });
for (;;) {
  process.send?.(Buffer.from(await vault.wrap('t', Buffer.from('a key'))).toString('base64'));
  await vault.rotate();
}
