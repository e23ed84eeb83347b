/** Why the demo did not show what it was to show; its message is all there is to tell. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}
