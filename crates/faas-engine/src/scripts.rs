//! The scripts of extensions, carried in the program.
//!
//! deno_core names them by path and reads them when a realm boots, from the folders that the program
//! was built in. In a container there are none, and elsewhere an edit would change a running service.

use deno_core::Extension;
use deno_core::ExtensionFileSource;
use deno_core::ExtensionFileSourceCode;

/// Paths at the time of the build, and what was there. Made by build.rs.
const SCRIPTS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// A script that cannot be run: a mistake of the build.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("{0} is missing from the program; build.rs must include it")]
    NotCarried(&'static str),
    #[error(transparent)]
    Load(#[from] std::io::Error),
    /// deno_core hands it to V8 as one byte a character, and checks that in debug builds only.
    #[error("{0} has a character outside ASCII; write it as an escape")]
    NotAscii(&'static str),
}

/// Has extensions take their scripts from the program.
///
/// # Errors
/// When one is not in it or could not be run.
pub fn carried(mut extensions: Vec<Extension>) -> Result<Vec<Extension>, ScriptError> {
    for extension in &mut extensions {
        for files in [
            &mut extension.js_files,
            &mut extension.esm_files,
            &mut extension.lazy_loaded_js_files,
            &mut extension.lazy_loaded_esm_files,
        ] {
            for file in files.to_mut() {
                if let ExtensionFileSourceCode::LoadedFromFsDuringSnapshot(path) = file.code {
                    let (_, text) = SCRIPTS
                        .iter()
                        .find(|(carried, _)| *carried == path)
                        .ok_or(ScriptError::NotCarried(path))?;
                    *file = ExtensionFileSource::new_computed(file.specifier, (*text).into());
                }
                if !file.load()?.as_str().is_ascii() {
                    return Err(ScriptError::NotAscii(file.specifier));
                }
            }
        }
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn no_script_is_read_from_disk_at_run_time() {
        let extensions = carried(vec![
            deno_webidl::deno_webidl::init(),
            deno_web::deno_web::init(
                Arc::new(deno_web::BlobStore::default()),
                None,
                false,
                deno_web::InMemoryBroadcastChannel::default(),
            ),
        ])
        .unwrap();
        for extension in extensions {
            let files = extension
                .esm_files
                .iter()
                .chain(&*extension.js_files)
                .chain(&*extension.lazy_loaded_js_files)
                .chain(&*extension.lazy_loaded_esm_files);
            let mut count = 0;
            for file in files {
                assert!(file.is_runtime_loadable(), "{}", file.specifier);
                assert!(!file.load().unwrap().as_str().is_empty());
                count += 1;
            }
            assert!(count > 0, "{}", extension.name);
        }
    }
}
