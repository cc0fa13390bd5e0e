import { shownName } from "../format.ts";
import { errorMessage } from "../language/error-message.ts";
import { messages } from "../language/messages.ts";
import { byId, control, copyTemplate, nameControls, part, setText } from "../dom.ts";

/** Something unfinished, and what a person may do about it. */
export interface Offer {
  /** Tells it from the others of its list. */
  id: string;
  name: string;
  /** Whether a person has to choose the file before it goes on. */
  needsFile: boolean;
  /** How much there is, in the page's language. */
  amount: () => string;
  /** What else a person should know, in the page's language. */
  hint: () => string;
  goOn: (file?: File) => Promise<void>;
  discard: () => Promise<void>;
}

/** A section of the page with what a person may go on with, or drop. It shows only where there is something. */
export class OfferList {
  readonly #section: HTMLElement;
  readonly #list: HTMLElement;
  readonly #testId: string;
  readonly #goOnText: GoOnText;
  readonly #rows = new Map<string, Row>();

  /** `testId` is that of the section and its rows, `goOnText` what stands on the first button. */
  constructor(testId: string, goOnText: GoOnText) {
    this.#section = byId(testId);
    this.#list = byId(`${testId}-list`);
    this.#testId = testId;
    this.#goOnText = goOnText;
  }

  /** Shows these and no others; rows that are there stay as they are. */
  show(offers: Offer[]): void {
    const ids = new Set(offers.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    for (const offer of offers) if (!this.#rows.has(offer.id)) this.#add(offer);
    this.#showIfAny();
  }

  /** Takes one out that is no longer to be had. */
  withdraw(id: string): void {
    this.#remove(id);
    this.#showIfAny();
  }

  /** Says everything again, in the page's language. */
  relabel(): void {
    for (const row of this.#rows.values()) {
      setText(part(row.element, "go-on"), messages().page[this.#goOnText]);
      tell(row);
    }
  }

  #add(offer: Offer): void {
    const element = copyTemplate("offer-template");
    const row: Row = { element, offer, busy: false };
    const picker = control<HTMLInputElement>(element, "continue-file");
    element.dataset.testid = this.#testId;
    element.dataset.name = offer.name;
    part(element, "name").textContent = shownName(offer.name);
    part(element, "go-on").textContent = messages().page[this.#goOnText];
    nameControls(element, shownName(offer.name));

    const goOn = (file?: File) => this.#settle(row, () => offer.goOn(file));
    control(element, "continue").addEventListener(
      "click",
      () => void (offer.needsFile ? picker.click() : goOn()),
    );
    picker.addEventListener("change", () => {
      const file = picker.files?.[0];
      picker.value = "";
      if (file) void goOn(file);
    });
    control(element, "discard").addEventListener("click", () => void this.#settle(row, offer.discard));
    tell(row);
    this.#rows.set(offer.id, row);
    this.#list.append(element);
  }

  /** Does what a person chose, once. It is no longer offered then. */
  async #settle(row: Row, choice: () => Promise<void>): Promise<void> {
    if (row.busy) return;
    const { element, offer } = row;
    const problem = part(element, "problem");
    problem.hidden = true;
    row.busy = true;
    tell(row);
    try {
      await choice();
      const hadFocus = element.contains(document.activeElement);
      this.withdraw(offer.id);
      if (hadFocus) byId("uploads-heading").focus();
    } catch (error) {
      setText(problem, errorMessage(error));
      problem.hidden = false;
    } finally {
      row.busy = false;
      tell(row);
    }
  }

  #remove(id: string): void {
    this.#rows.get(id)?.element.remove();
    this.#rows.delete(id);
  }

  #showIfAny(): void {
    this.#section.hidden = this.#rows.size === 0;
  }
}

type GoOnText = "goOn" | "chooseFile" | "upload";

interface Row {
  element: HTMLElement;
  offer: Offer;
  /** Whether a choice is being carried out. */
  busy: boolean;
}

function tell({ element, offer, busy }: Row): void {
  setText(part(element, "amount"), offer.amount());
  setText(part(element, "hint"), busy ? messages().working : offer.hint());
}
