/**
 * Calls `onChange` with `true` when a target gets its first listener for events of this type, and with `false` when
 * its last one has gone: removed, called for the once that it was to be called, or ended by its signal.
 */
export function onListenersChange(
  target: EventTarget,
  watched: string,
  onChange: (listened: boolean) => void,
): void {
  const add = target.addEventListener.bind(target);
  const remove = target.removeEventListener.bind(target);
  const listeners: { listener: unknown; capture: boolean }[] = [];
  const find = (listener: unknown, capture: boolean) =>
    listeners.find((known) => known.listener === listener && known.capture === capture);
  const drop = (entry: (typeof listeners)[number] | undefined) => {
    const index = entry ? listeners.indexOf(entry) : -1;
    if (index < 0) return;
    listeners.splice(index, 1);
    if (listeners.length === 0) onChange(false);
  };
  target.addEventListener = (type, listener, options) => {
    const { capture = false, once, signal } = plain(options);
    if (type === watched && listener && !signal?.aborted && !find(listener, capture)) {
      const entry = { listener, capture };
      // Added before the listener itself, which could keep later ones from being called.
      if (once) add(type, () => drop(entry), { once, capture, signal });
      signal?.addEventListener("abort", () => drop(entry));
      if (listeners.push(entry) === 1) onChange(true);
    }
    add(type, listener, options);
  };
  target.removeEventListener = (type, listener, options) => {
    if (type === watched) drop(find(listener, plain(options).capture ?? false));
    remove(type, listener, options);
  };
}

function plain(options?: boolean | AddEventListenerOptions): AddEventListenerOptions {
  return typeof options === "boolean" ? { capture: options } : (options ?? {});
}
