import type { Announcer } from "../announcer.ts";
import { keepSecret, linkWith } from "../coordinator/guest-secret.ts";
import { messages } from "../language/messages.ts";
import { byId, setText } from "../dom.ts";

/** Shows the link by which another device goes on as the guest with this secret, and copies it. */
export function offerDeviceLink(secret: string, announcer: Announcer): void {
  const field = byId("device-link") as HTMLInputElement;
  field.value = linkWith(secret);
  field.addEventListener("focus", () => field.select());
  byId("copy-link").addEventListener("click", () => {
    navigator.clipboard.writeText(field.value).then(
      () => announcer.answer(tell(messages().linkCopied)),
      () => {
        field.focus();
        announcer.answer(tell(messages().linkNotCopied));
      },
    );
  });
  byId("other-device").hidden = false;
}

/**
 * Asks whether this browser goes on as the guest of a link that was opened. Whoever gave it sees what is begun here then, so it is
 * never taken unasked.
 */
export function askForGuest(secret: string): void {
  const invitation = byId("invitation");
  byId("accept-guest").addEventListener("click", () => {
    keepSecret(secret);
    location.reload();
  });
  byId("refuse-guest").addEventListener("click", () => {
    invitation.hidden = true;
    byId("uploads-heading").focus();
  });
  invitation.hidden = false;
}

function tell(text: string): string {
  setText(byId("link-note"), text);
  return text;
}
