//! The directory for caches and the history (FAAS_WORKSPACE). Its default lies in `/tmp`, where any user
//! of the machine may have made it first: what others can write there is not trusted.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a directory is not used. The sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error(
        "cannot use the workspace {0}: {1}; set FAAS_WORKSPACE to a directory that can be written"
    )]
    Unusable(String, std::io::Error),
    #[error(
        "{path}, which is the workspace or in it, belongs to user {owner}, not to user {user} who runs this: \
         set FAAS_WORKSPACE to another directory"
    )]
    NotOwn { path: String, owner: u32, user: u32 },
    #[error(
        "the workspace {path} can be written by other users (mode {mode:04o}): \
         run `chmod go-w` on it if nobody else has put anything there, or set FAAS_WORKSPACE to another directory"
    )]
    Shared { path: String, mode: u32 },
}

/// Creates the directory, for its owner only, or checks the one that is there.
///
/// # Errors
/// [`WorkspaceError`] unless it is this user's own, and only this user may write to it.
pub fn prepare_workspace(path: &Path) -> Result<(), WorkspaceError> {
    let shown = || path.display().to_string();
    let unusable = |error| WorkspaceError::Unusable(shown(), error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(unusable)?;
    let user = rustix::process::geteuid().as_raw();
    let directory = path.metadata().map_err(unusable)?;
    let link = path.symlink_metadata().map_err(unusable)?;
    // The user who made a link can change where it leads; root may.
    let link_owner = Some(link.uid()).filter(|owner| link.is_symlink() && *owner != 0);
    let owners = [Some(directory.uid()), link_owner];
    if let Some(owner) = owners.into_iter().flatten().find(|owner| *owner != user) {
        let path = shown();
        return Err(WorkspaceError::NotOwn { path, owner, user });
    }
    let mode = directory.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(WorkspaceError::Shared {
            path: shown(),
            mode,
        });
    }
    check_contents(path, user)
}

/// Whether somebody else left something there, as when others could write to it earlier. Root may.
fn check_contents(path: &Path, user: u32) -> Result<(), WorkspaceError> {
    let unusable = |error| WorkspaceError::Unusable(path.display().to_string(), error);
    for entry in path.read_dir().map_err(unusable)? {
        let entry = entry.map_err(unusable)?;
        // What is gone meanwhile was another server's.
        let owner = entry.metadata().map_or(user, |metadata| metadata.uid());
        if owner != user && owner != 0 {
            let path = entry.path().display().to_string();
            return Err(WorkspaceError::NotOwn { path, owner, user });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_new_workspace_is_its_owners_only() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        prepare_workspace(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        prepare_workspace(&path).unwrap();
        symlink(&path, parent.path().join("link")).unwrap();
        prepare_workspace(&parent.path().join("link")).unwrap();
    }

    #[test]
    fn a_workspace_that_others_can_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            let permissions = Permissions::from_mode(mode);
            std::fs::set_permissions(directory.path(), permissions).unwrap();
            let error = prepare_workspace(directory.path()).unwrap_err().to_string();
            assert!(error.contains("FAAS_WORKSPACE"), "{error}");
        }
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        prepare_workspace(directory.path()).unwrap();
    }

    #[test]
    fn a_workspace_of_another_user_is_refused() {
        // Of root, unless the tests run as root: then a link of another's leads to it.
        let user = rustix::process::geteuid().as_raw();
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        let path = if user == 0 {
            symlink(parent.path(), &link).unwrap();
            std::os::unix::fs::lchown(&link, Some(1), None).unwrap();
            link.as_path()
        } else {
            Path::new("/usr")
        };
        let error = prepare_workspace(path).unwrap_err().to_string();
        assert!(error.contains("belongs to user"), "{error}");
        if user == 0 {
            // What another left there counts, too: this link.
            let error = prepare_workspace(parent.path()).unwrap_err().to_string();
            assert!(error.contains("link, which is"), "{error}");
        }
    }
}
