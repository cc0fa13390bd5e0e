// Loaded before every other script: keeps what goes wrong on the page, since not every engine's driver tells.
globalThis.problems = [];
addEventListener(
  "error",
  ({ message, target }) => problems.push(message ?? `${target.src} did not load`),
  true,
);
addEventListener("unhandledrejection", ({ reason }) =>
  problems.push(`unhandled: ${reason?.stack ?? reason}`),
);
console.error = (...words) => problems.push(words.join(" "));
