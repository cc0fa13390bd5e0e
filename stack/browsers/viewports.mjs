/** What a page has of a screen, in CSS pixels: of a laptop, and of a telephone held upright. */
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
