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
