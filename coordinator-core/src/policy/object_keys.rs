//! Keys of objects: where in the bucket a file lies.

use std::str::FromStr;

use chrono::DateTime;
use syncsphere_protocol::{FileId, WorkspaceId};

/// How objects' keys are made: fixed text and placeholders. Keys are generated, so they overwrite nothing; no segment of one
/// can be `.` or `..`, which browsers fold away; and no client chooses one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    segments: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Workspace,
    FileId,
    Name,
    Path,
    Date,
    Owner,
}

/// What the placeholders of one file's key stand for.
pub(crate) struct KeyParts<'a> {
    pub workspace: &'a WorkspaceId,
    pub file_id: &'a FileId,
    pub name: &'a str,
    /// The file's folder, without slashes at its ends.
    pub path: &'a str,
    /// Subject of the token that begins the upload.
    pub owner: &'a str,
    /// When the upload begins, in milliseconds since 1970.
    pub begun_ms: i64,
}

/// What keys are made by where nothing else is configured.
pub const DEFAULT_KEY_TEMPLATE: &str = "{workspace}/{fileId}/{name}";

/// Longest object key, in bytes. Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const MAX_KEY: usize = 1_024 - STAGING_SUFFIX.len();

/// What the key of a file that is being sent has behind the file's own.
pub(crate) const STAGING_SUFFIX: &str = ".incoming";

/// Longest ids, in bytes. Source: the protocol's ids.
const MAX_ID: usize = 64;

/// Longest end of a file's name that goes into its key, in bytes. Source: own choice, to leave room for what comes before.
const MAX_NAME: usize = 200;

/// Longest beginning of a file's folder, in bytes. Source: own choice, likewise.
const MAX_PATH: usize = 256;

/// Longest beginning of an owner, in bytes. Source: own choice, likewise.
const MAX_OWNER: usize = 64;

/// Length of `2026-11-28`, in bytes.
const DATE: usize = 10;

/// Why a text is no template; for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKeyTemplate(pub &'static str);

impl KeyTemplate {
    /// Keys that begin with `prefix`, fixed text with or without slashes at its ends, and go on as `template` says.
    pub fn new(prefix: &str, template: &str) -> Result<Self, InvalidKeyTemplate> {
        let prefix = prefix.trim_matches('/');
        if prefix.contains(['{', '}']) {
            return Err(InvalidKeyTemplate("has to be fixed text"));
        }
        let whole = match prefix {
            "" => template.to_owned(),
            _ => format!("{prefix}/{template}"),
        };
        whole.parse()
    }

    /// The key of a file's object.
    pub(crate) fn key(&self, parts: &KeyParts<'_>) -> String {
        let segments = self.segments.iter().filter_map(|pieces| {
            let segment: String = pieces.iter().map(|piece| piece.text(parts)).collect();
            // A file that lies in no folder.
            (!segment.is_empty()).then_some(segment)
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// The workspace and the file that a key is for, if it is one of this template's that names both.
    pub(crate) fn parse(&self, key: &str) -> Option<(WorkspaceId, FileId)> {
        let found: Vec<&str> = key.split('/').collect();
        let is_path = |pieces: &[Piece]| pieces == [Piece::Placeholder(Placeholder::Path)];
        let (before, after) = match self.segments.iter().position(|pieces| is_path(pieces)) {
            None if found.len() != self.segments.len() => return None,
            None => (self.segments.as_slice(), [].as_slice()),
            Some(path) => (self.segments.get(..path)?, self.segments.get(path + 1..)?),
        };
        let end = found
            .len()
            .checked_sub(after.len())
            .filter(|end| *end >= before.len())?;
        let (start, end) = (found.get(..before.len())?, found.get(end..)?);
        let (mut workspace, mut file_id) = (None, None);
        for (pieces, text) in before.iter().zip(start).chain(after.iter().zip(end)) {
            match pieces.as_slice() {
                [Piece::Placeholder(Placeholder::Workspace)] => workspace = text.parse().ok(),
                [Piece::Placeholder(Placeholder::FileId)] if is_generated_id(text) => {
                    file_id = text.parse().ok()
                }
                [Piece::Placeholder(Placeholder::FileId)] => return None,
                [Piece::Text(fixed)] if fixed != text => return None,
                _ if text.is_empty() => return None,
                _ => {}
            }
        }
        workspace.zip(file_id)
    }
}

impl FromStr for KeyTemplate {
    type Err = InvalidKeyTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidKeyTemplate> {
        let segments: Vec<Vec<Piece>> = text.split('/').map(segment).collect::<Result<_, _>>()?;
        let count = |wanted: Placeholder| {
            let placeholders = segments.iter().flatten();
            placeholders
                .filter(|piece| **piece == Piece::Placeholder(wanted))
                .count()
        };
        if count(Placeholder::FileId) != 1 {
            return Err(InvalidKeyTemplate(
                "has to hold {fileId} once, so that no two files have one key",
            ));
        }
        if count(Placeholder::Path) > 1 || count(Placeholder::Workspace) > 1 {
            return Err(InvalidKeyTemplate("may hold {workspace} and {path} once"));
        }
        let stand_alone = [Placeholder::Workspace, Placeholder::FileId, Placeholder::Path];
        let shares = |pieces: &Vec<Piece>| {
            let is_alone = pieces.len() == 1;
            !is_alone
                && pieces
                    .iter()
                    .any(|piece| stand_alone.iter().any(|one| *piece == Piece::Placeholder(*one)))
        };
        if segments.iter().any(shares) {
            return Err(InvalidKeyTemplate(
                "needs slashes around {workspace}, {fileId} and {path}",
            ));
        }
        let longest = segments.iter().flatten().map(Piece::longest).sum::<usize>() + segments.len() - 1;
        if longest > MAX_KEY {
            return Err(InvalidKeyTemplate("makes keys of more than 1015 bytes"));
        }
        Ok(Self { segments })
    }
}

/// The pieces between two slashes.
fn segment(text: &str) -> Result<Vec<Piece>, InvalidKeyTemplate> {
    if text.is_empty() || text.starts_with('.') {
        return Err(InvalidKeyTemplate(
            "has a segment that is empty or begins with a dot",
        ));
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (fixed, from) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        if !fixed.bytes().all(is_plain) {
            return Err(InvalidKeyTemplate(
                "may hold letters, digits, dots, dashes, underscores and slashes",
            ));
        }
        if !fixed.is_empty() {
            pieces.push(Piece::Text(fixed.to_owned()));
        }
        let Some(placeholder) = from.strip_prefix('{') else {
            break;
        };
        let (name, after) = placeholder.split_once('}').ok_or(UNKNOWN)?;
        pieces.push(Piece::Placeholder(named(name).ok_or(UNKNOWN)?));
        rest = after;
    }
    Ok(pieces)
}

const UNKNOWN: InvalidKeyTemplate =
    InvalidKeyTemplate("knows {workspace}, {fileId}, {name}, {path}, {date} and {owner} alone");

fn named(name: &str) -> Option<Placeholder> {
    Some(match name {
        "workspace" => Placeholder::Workspace,
        "fileId" => Placeholder::FileId,
        "name" => Placeholder::Name,
        "path" => Placeholder::Path,
        "date" => Placeholder::Date,
        "owner" => Placeholder::Owner,
        _ => return None,
    })
}

impl Piece {
    fn text(&self, parts: &KeyParts<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Placeholder(Placeholder::Workspace) => parts.workspace.to_string(),
            Self::Placeholder(Placeholder::FileId) => parts.file_id.to_string(),
            Self::Placeholder(Placeholder::Name) => readable_end(parts.name),
            Self::Placeholder(Placeholder::Path) => folder(parts.path),
            Self::Placeholder(Placeholder::Date) => date(parts.begun_ms),
            Self::Placeholder(Placeholder::Owner) => or(readable_start(parts.owner, MAX_OWNER), "nobody"),
        }
    }

    /// Most bytes that it comes to.
    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Placeholder(Placeholder::Workspace | Placeholder::FileId) => MAX_ID,
            Self::Placeholder(Placeholder::Name) => MAX_NAME,
            Self::Placeholder(Placeholder::Path) => MAX_PATH,
            Self::Placeholder(Placeholder::Date) => DATE,
            Self::Placeholder(Placeholder::Owner) => MAX_OWNER,
        }
    }
}

/// The end of a name, which holds the file's type.
fn readable_end(name: &str) -> String {
    let readable = readable(name);
    let readable = readable.trim_start_matches('.');
    // All of it is ASCII, so any position is a character's edge.
    let start = readable.len().saturating_sub(MAX_NAME);
    let end = readable.get(start..).unwrap_or_default().trim_start_matches('.');
    or(end.to_owned(), "file")
}

/// The beginning of a text.
fn readable_start(text: &str, most: usize) -> String {
    let mut readable = readable(text);
    readable.truncate(most);
    readable.trim_start_matches('.').to_owned()
}

fn folder(path: &str) -> String {
    let mut folder = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let separator = if folder.is_empty() { "" } else { "/" };
        let room = MAX_PATH.saturating_sub(folder.len() + separator.len());
        let segment = or(readable_start(segment, room), "_");
        if segment.len() > room {
            break;
        }
        folder.push_str(separator);
        folder.push_str(&segment);
    }
    folder
}

/// Day by UTC, so that all of a day's files lie together.
fn date(ms: i64) -> String {
    let moment = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    moment.format("%Y-%m-%d").to_string()
}

fn readable(text: &str) -> String {
    let plain = |c: char| u8::try_from(c).is_ok_and(is_plain);
    text.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether an id is of the form that `Context::id` makes.
fn is_generated_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
#[path = "object_keys_tests.rs"]
mod tests;
