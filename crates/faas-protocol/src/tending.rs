//! What is done with what the cells of a session left, other than running one more.

use serde::Deserialize;
use serde::Serialize;

/// What is asked or changed. The name of the file, if there is one, is the job's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tending {
    /// Which variables there are; the return value is a [`VariableList`] as JSON.
    Variables,
    /// Which files and directories there are; the return value is a [`FileList`] as JSON.
    ListFiles,
    /// Hands a file back.
    ReadFile,
    /// Puts the job's files into the working directory.
    PutFiles,
    DeleteFile,
    MakeDirectory,
    /// What a name that is being written may go on as; the return value is a [`Completions`] as JSON. Of Python only,
    /// as are the next two; the job's code is an [`Unfinished`] as JSON.
    Complete,
    /// What a name stands for; the return value is a text as JSON, or null.
    Inspect,
    /// Whether a cell is complete; the return value is a [`Completeness`] as JSON.
    IsComplete,
}

impl Tending {
    /// The return value if it was done; else there was no such file.
    pub const DONE: &'static str = "done";

    /// Its name for engines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Variables => "variables",
            Self::ListFiles => "list",
            Self::ReadFile => "read",
            Self::PutFiles => "put",
            Self::DeleteFile => "delete",
            Self::MakeDirectory => "make",
            Self::Complete => "complete",
            Self::Inspect => "inspect",
            Self::IsComplete => "is_complete",
        }
    }

    /// Whether there is another state after it.
    pub const fn changes_something(self) -> bool {
        matches!(
            self,
            Self::PutFiles | Self::DeleteFile | Self::MakeDirectory
        )
    }
}

/// Code that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    pub code: String,
    /// Where its writer is, in characters.
    pub cursor: usize,
    /// Whether an answer is to have what there is, such as source text.
    pub is_detailed: bool,
}

/// What the name before the cursor may go on as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    pub matches: Vec<String>,
    /// Where what they replace begins, in characters; it ends at the cursor.
    pub start: usize,
}

/// Whether a cell is complete, in the words of Jupyter's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// `complete`, `incomplete`, `invalid` or `unknown`.
    pub status: String,
    /// What the next line of an incomplete one begins with.
    #[serde(default)]
    pub indent: String,
}

/// The variables of a program, as a sandbox tells of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableList {
    pub variables: Vec<Variable>,
    /// How many more there are.
    pub more: u64,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    /// Of its value.
    #[serde(rename = "type")]
    pub kind: String,
    /// In bytes, without what it refers to; `None` if the language does not tell.
    pub size: Option<u64>,
    /// A short text for it.
    pub repr: String,
}

/// The files of a program, as a sandbox tells of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileList {
    /// Files, then directories.
    pub entries: Vec<FileEntry>,
    /// How many more files there are.
    pub more: u64,
}

/// A file below the working directory, or a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub name: String,
    /// In bytes; `None` of a directory.
    pub size: Option<u64>,
}
