//! Lists the scripts of the extensions that zygotes load, for src/scripts.rs to carry them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Crates whose scripts a realm uses, in addition to ours.
const CRATES: [&str; 2] = ["deno_web", "deno_webidl"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../js");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    // As deno_core names them: relative to the folder of this crate.
    let project = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let mut scripts = Vec::new();
    for folder in [
        "../../js/javascript",
        "../../js/python",
        "../../js/shared",
        "../../js/vendor/node",
    ] {
        collect(&project.join(folder), &mut scripts)?;
    }
    for folder in crate_folders()? {
        collect(&folder, &mut scripts)?;
    }
    scripts.sort();
    let mut list = String::from("[\n");
    for script in &scripts {
        writeln!(list, "    ({script:?}, include_str!({script:?})),")?;
    }
    list.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("scripts.rs"), list)?;
    Ok(())
}

/// The scripts in a folder.
fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            scripts.push(path);
        }
    }
    Ok(())
}

/// Where Cargo has the sources of [`CRATES`], in the versions that are built.
///
/// `cargo metadata` wants the sources of every crate in Cargo.lock for this platform, those that only
/// tests need too, which a build has not fetched. So it may fetch them; what `--locked` names and is
/// there (or vendored) it does not ask for again, and Cargo's own setting keeps a build offline.
fn crate_folders() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let output = Command::new(std::env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--locked"])
        .arg(format!("--filter-platform={}", std::env::var("TARGET")?))
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed; try cargo fetch --locked:\n{said}").into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    CRATES
        .iter()
        .map(|name| {
            let mut found = packages.iter().filter(|package| package["name"] == **name);
            // With two versions we would not know whose scripts the program runs.
            let (Some(package), None) = (found.next(), found.next()) else {
                return Err(format!("Cargo.lock has no {name}, or more than one").into());
            };
            let manifest = package["manifest_path"].as_str();
            let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
            Ok(folder.ok_or(format!("no folder of {name}"))?.to_owned())
        })
        .collect()
}
