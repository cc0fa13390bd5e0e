/** The coordinator refused a request of this page. */
export class RequestError extends Error {
  override readonly name = "RequestFailed";

  /** `code`: stable, as the HTTP API gives it. `message`: what was wrong, for a person. */
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
