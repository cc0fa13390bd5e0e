//! Reading slices of files: their checksums, copies of them, and whether they can still be read at all.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use syncsphere_protocol::Crc64Nvme;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DomException, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReadResult,
    ReadableStreamReaderMode,
};

use crate::checksum::Checksum;

/// Bytes read at a time.
///
/// Source: `docs/client.md`, measured: of seven ways to hash 1 GiB over six lanes, a BYOB reader over
/// one 1 MiB buffer was the fastest and took the least memory.
const PIECE: u32 = 1024 * 1024;

/// Why a slice cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFailure {
    /// Its file is not what it was when the page got it.
    Changed,
    /// Its file is gone, or permission to read it is.
    Unreadable,
}

/// The buffers of one reader, used over and over: one that the browser fills, and one in WASM memory.
#[derive(Default)]
pub struct Scratch {
    filled_by_browser: Option<ArrayBuffer>,
    bytes: Vec<u8>,
}

/// The checksum of a slice. `is_wanted` is asked before each piece; once it says no, reading ends with
/// `Ok(None)`.
pub async fn checksum_of(
    slice: &Blob,
    scratch: &mut Scratch,
    is_wanted: impl Fn() -> bool,
) -> Result<Option<Crc64Nvme>, ReadFailure> {
    let mut progress = Reading::new(slice);
    if slice.size() > f64::from(PIECE) {
        // WebKit's streams fail on large files, and older browsers have no BYOB readers of blobs;
        // the pieces go on where the stream ended.
        let _ = progress.by_stream(scratch, &is_wanted).await;
    }
    progress.by_pieces(scratch, &is_wanted).await?;
    Ok(is_wanted().then(|| progress.checksum.finish()))
}

/// The checksum of a slice read by a stream alone; `None` where the browser cannot do it.
pub async fn checksum_by_stream(slice: &Blob, scratch: &mut Scratch) -> Option<Crc64Nvme> {
    let mut progress = Reading::new(slice);
    progress.by_stream(scratch, &|| true).await.ok()?;
    (progress.position == progress.end).then(|| progress.checksum.finish())
}

/// The checksum of a slice read piece by piece.
pub async fn checksum_by_pieces(slice: &Blob, scratch: &mut Scratch) -> Result<Crc64Nvme, ReadFailure> {
    let mut progress = Reading::new(slice);
    progress.by_pieces(scratch, &|| true).await?;
    Ok(progress.checksum.finish())
}

/// A copy of a slice that needs its file no more. It is put together from pieces that the browser
/// keeps, so that the worker's own memory holds one at a time. `is_wanted` as in [`checksum_of`].
pub async fn copy_of(slice: &Blob, is_wanted: impl Fn() -> bool) -> Result<Option<Blob>, ReadFailure> {
    let pieces = Array::new();
    let mut position = 0.0;
    while position < slice.size() && is_wanted() {
        let end = (position + f64::from(PIECE)).min(slice.size());
        let piece = read_piece(slice, position, end).await?;
        let piece =
            Blob::new_with_u8_array_sequence(&Array::of1(&piece)).map_err(|_| ReadFailure::Unreadable)?;
        pieces.push(&piece);
        position = end;
    }
    let copy = Blob::new_with_blob_sequence(&pieces).map_err(|_| ReadFailure::Unreadable)?;
    Ok(is_wanted().then_some(copy))
}

/// Whether the first byte of a slice can still be read. Costs one small read.
pub(crate) async fn check_readable(slice: &Blob) -> Result<(), ReadFailure> {
    if slice.size() == 0.0 {
        return Ok(());
    }
    read_piece(slice, 0.0, 1.0).await.map(|_| ())
}

/// How far a slice has been read.
struct Reading<'a> {
    slice: &'a Blob,
    position: f64,
    end: f64,
    checksum: Checksum,
}

impl<'a> Reading<'a> {
    fn new(slice: &'a Blob) -> Self {
        Self {
            slice,
            position: 0.0,
            end: slice.size(),
            checksum: Checksum::new(),
        }
    }

    async fn by_stream(
        &mut self,
        scratch: &mut Scratch,
        is_wanted: &impl Fn() -> bool,
    ) -> Result<(), JsValue> {
        let reader = Reader::open(self.slice)?;
        while self.position < self.end && is_wanted() {
            let buffer = scratch.filled_by_browser.take();
            let buffer = buffer.unwrap_or_else(|| ArrayBuffer::new(PIECE));
            let Some(piece) = reader.read(&buffer).await? else {
                break;
            };
            self.take(&piece, scratch);
            scratch.filled_by_browser = Some(piece.buffer().unchecked_into());
        }
        Ok(())
    }

    async fn by_pieces(
        &mut self,
        scratch: &mut Scratch,
        is_wanted: &impl Fn() -> bool,
    ) -> Result<(), ReadFailure> {
        while self.position < self.end && is_wanted() {
            let end = (self.position + f64::from(PIECE)).min(self.end);
            let piece = read_piece(self.slice, self.position, end).await?;
            self.take(&piece, scratch);
        }
        Ok(())
    }

    fn take(&mut self, piece: &Uint8Array, scratch: &mut Scratch) {
        let length = piece.length();
        scratch.bytes.resize(length as usize, 0);
        piece.copy_to(&mut scratch.bytes);
        self.checksum.update(&scratch.bytes);
        self.position += f64::from(length);
    }
}

async fn read_piece(slice: &Blob, start: f64, end: f64) -> Result<Uint8Array, ReadFailure> {
    let piece = slice
        .slice_with_f64_and_f64(start, end)
        .map_err(|_| ReadFailure::Unreadable)?;
    let buffer = JsFuture::from(piece.array_buffer())
        .await
        .map_err(|error| classify(&error))?;
    let bytes = Uint8Array::new(&buffer);
    if f64::from(bytes.length()) == end - start {
        Ok(bytes)
    } else {
        Err(ReadFailure::Changed)
    }
}

/// A file that was edited cannot be read any more: browsers keep the size and time that it had.
/// Source: File API, section "Reading a file": <https://www.w3.org/TR/FileAPI/#dfn-error-codes>
fn classify(error: &JsValue) -> ReadFailure {
    match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
        Some("NotFoundError" | "NotAllowedError" | "SecurityError") => ReadFailure::Unreadable,
        _ => ReadFailure::Changed,
    }
}

/// A BYOB reader that closes its stream when dropped.
struct Reader(ReadableStreamByobReader);

impl Reader {
    fn open(slice: &Blob) -> Result<Self, JsValue> {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        // Where there is no such reader, the call throws, so this is the way to find out.
        let reader = ReadableStreamByobReader::new(&slice.stream())?;
        Ok(Self(reader))
    }

    /// The next bytes, in the buffer given; `None` at the end.
    async fn read(&self, buffer: &ArrayBuffer) -> Result<Option<Uint8Array>, JsValue> {
        let view = Uint8Array::new(buffer);
        let result = JsFuture::from(self.0.read_with_array_buffer_view(&view)).await?;
        let result: ReadableStreamReadResult = result.unchecked_into();
        if result.get_done() == Some(true) {
            return Ok(None);
        }
        Ok(result.get_value().dyn_into().ok())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A stream that has failed already rejects; nobody needs to hear of it.
        wasm_bindgen_futures::spawn_local({
            let cancelled = JsFuture::from(self.0.cancel());
            async move {
                let _ = cancelled.await;
            }
        });
    }
}
