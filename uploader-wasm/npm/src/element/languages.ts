import { ENGLISH_LABELS, type UploadElementTexts } from "./labels.js";

const GERMAN_LABELS: UploadElementTexts = {
  chooseFile: "Datei wählen",
  chooseFiles: "Dateien wählen",
  chooseFolder: "Ordner wählen",
  dropFile: "oder hierher ziehen",
  dropFiles: "oder hierher ziehen",
  pause: "Anhalten",
  resume: "Fortsetzen",
  abort: "Abbrechen",
  retry: "Erneut versuchen",
  continue: "Fortsetzen",
  discard: "Verwerfen",
  remove: "Entfernen",
  queued: "Wartet",
  uploading: "{percent}",
  paused: "Angehalten bei {percent}",
  offline: "Wartet auf das Netz bei {percent}",
  interrupted: "Unterbrochen bei {percent}",
  completing: "Wird geprüft",
  available: "Hochgeladen",
  failed: "Gescheitert",
  uploaded: "{name} ist hochgeladen.",
  notUploaded: "{name} konnte nicht hochgeladen werden.",
  allUploaded: "{count} von {total} Dateien sind hochgeladen.",
  notAccepted: "{name} ist nicht von der Art, die angenommen wird.",
  tooLarge: "{name} ist größer als {limit}.",
  tooMany: "Mehr Dateien gehen nicht: höchstens {count}.",
  emptyFolder: "{name} enthält keine Dateien.",
  unreadable: "{name} kann nicht gelesen werden.",
  missing: "Bitte wählen Sie eine Datei.",
  underWay: "Bitte warten Sie, bis das Hochladen fertig ist.",
};

const ARABIC_LABELS: UploadElementTexts = {
  chooseFile: "اختيار ملف",
  chooseFiles: "اختيار ملفات",
  chooseFolder: "اختيار مجلد",
  dropFile: "أو أفلِته هنا",
  dropFiles: "أو أفلِتها هنا",
  pause: "إيقاف مؤقت",
  resume: "استئناف",
  abort: "إلغاء",
  retry: "إعادة المحاولة",
  continue: "متابعة",
  discard: "تجاهل",
  remove: "إزالة",
  queued: "في الانتظار",
  uploading: "{percent}",
  paused: "متوقف مؤقتًا عند {percent}",
  offline: "في انتظار الشبكة عند {percent}",
  interrupted: "لم يكتمل، توقف عند {percent}",
  completing: "قيد الفحص",
  available: "مرفوع",
  failed: "فشل",
  uploaded: "رُفع {name}.",
  notUploaded: "تعذّر رفع {name}.",
  allUploaded: "الملفات المرفوعة: {count} من {total}.",
  notAccepted: "نوع {name} غير مقبول.",
  tooLarge: "حجم {name} أكبر من {limit}.",
  tooMany: "لا يمكن إضافة ملفات أخرى: الحد الأقصى {count}.",
  emptyFolder: "لا ملفات في {name}.",
  unreadable: "تعذّرت قراءة {name}.",
  missing: "يرجى اختيار ملف.",
  underWay: "يرجى الانتظار حتى ينتهي الرفع.",
};

/** The element's texts in a language, in English where they are not known in it. */
export function labelsIn(language: string | undefined): UploadElementTexts {
  const known: Record<string, UploadElementTexts> = { de: GERMAN_LABELS, ar: ARABIC_LABELS };
  return known[language?.toLowerCase().split("-")[0] ?? ""] ?? ENGLISH_LABELS;
}

/** The language that the page says for an element. */
export function languageOf(element: Element): string | undefined {
  return element.closest<HTMLElement>("[lang]")?.lang || undefined;
}

/** Writes numbers in a language; `lang` may hold anything. */
export function numberFormat(
  language: string | undefined,
  options: Intl.NumberFormatOptions,
): Intl.NumberFormat {
  try {
    return new Intl.NumberFormat(language, options);
  } catch {
    return new Intl.NumberFormat(undefined, options);
  }
}

/** A size of so many bytes, such as `5 MB`. */
export function formatSize(bytes: number, language: string | undefined): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const options = { style: "unit", unit: units[step], maximumFractionDigits: 1 } as const;
  return numberFormat(language, options).format(bytes / 1000 ** step);
}
