/**
 * The platform in a process of its own, to be killed. Takes its options as JSON in the first argument, says `ready` with
 * where it listens, and does what it is told: see `Order`.
 */
import { type PlatformOptions, startPlatform } from '@caas/platform';
import type { Order } from './killable-platform.ts';

const platform = await startPlatform({ ...(JSON.parse(process.argv[2] ?? '{}') as PlatformOptions), crashable: true });
const stopping = new AbortController();
const running = platform.run(stopping.signal);

const obey = async ({ order, service }: Order): Promise<void> => {
  if (order === 'flush') platform.flushSharedState();
  else if (order === 'stop') {
    stopping.abort();
    await running;
  } else await platform.services.get(service ?? '')?.[order]();
};

process.on('message', (order: Order) => {
  obey(order).then(
    () => {
      process.send?.({ done: order.id });
      if (order.order === 'stop') process.disconnect();
    },
    (fault: unknown) => process.send?.({ done: order.id, fault: String(fault) }),
  );
});
// Without the test nobody needs it.
process.on('disconnect', () => process.exit());

const { gatewayUrl, socketUrls, authAddress, complianceAddress, app } = platform;
process.send?.({ ready: { gatewayUrl, socketUrls, authAddress, complianceAddress, app } });
