//! Wheels of our own making, with whatever code a package could have.

use std::path::Path;
use std::process::Command;

/// Writes a wheel of one module, `NAME.py`, into a directory, with a file of so many zeros beside it.
const WRITE: &str = r#"
import sys, zipfile
directory, name, code, zeros = sys.argv[1:]
path = f"{directory}/{name}-1.0-py3-none-any.whl"
info = f"{name}-1.0.dist-info"
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr(f"{name}.py", code)
    if int(zeros):
        with wheel.open(f"{name}_data/zeros.bin", "w", force_zip64=True) as file:
            for _ in range(int(zeros) >> 20):
                file.write(bytes(1 << 20))
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/top_level.txt", f"{name}\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

/// Makes a pure Python wheel named `name` whose only module runs `code` when it is imported. It brings a
/// file of so many zeros, which take next to nothing in the archive.
pub fn make_wheel(directory: &Path, name: &str, code: &str, zeros: u64) {
    let status = Command::new("python3")
        .args(["-c", WRITE])
        .arg(directory)
        .args([name, code, &zeros.to_string()])
        .status()
        .expect("python3 is needed to make wheels");
    assert!(status.success(), "{name}: no wheel");
}
