import { UploadElementAttributes } from "./attributes.js";

/** What form controls have, as `<input>` has it. */
export class FormControl extends UploadElementAttributes {
  static readonly formAssociated = true;

  /** @internal */
  readonly internals = this.attachInternals();

  get form(): HTMLFormElement | null {
    return this.internals.form;
  }

  get validity(): ValidityState {
    return this.internals.validity;
  }

  get validationMessage(): string {
    return this.internals.validationMessage;
  }

  get willValidate(): boolean {
    return this.internals.willValidate;
  }

  checkValidity(): boolean {
    return this.internals.checkValidity();
  }

  reportValidity(): boolean {
    return this.internals.reportValidity();
  }
}
