/** A controller that ends with the signal, too. Not `AbortSignal.any`, which Safari has since 17.4 only. */
export function linkedController(signal: AbortSignal | undefined): AbortController {
  const controller = new AbortController();
  if (signal?.aborted) controller.abort(signal.reason);
  signal?.addEventListener("abort", () => controller.abort(signal.reason));
  return controller;
}
