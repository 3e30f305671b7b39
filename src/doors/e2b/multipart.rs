//! Bodies of forms with files (RFC 7578), as E2B's clients upload them.

use std::str;

use crate::api::ApiError;

/// Longest head of a part, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;
/// Longest boundary (RFC 2046, 5.1.1), in bytes.
const LONGEST_BOUNDARY: usize = 70;

/// A file of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub file_name: String,
    pub contents: &'a [u8],
}

/// The boundary that a content type names, if it is one of forms.
pub fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').filter_map(|one| one.split_once('='));
    let (_, boundary) =
        parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let boundary = boundary.trim().trim_matches('"');
    (1..=LONGEST_BOUNDARY)
        .contains(&boundary.len())
        .then_some(boundary)
}

/// The files of a form, at most `most`.
///
/// # Errors
/// 400 for what is no form, or has more.
pub fn files<'a>(body: &'a [u8], boundary: &str, most: usize) -> Result<Vec<Part<'a>>, ApiError> {
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = delimiter.as_bytes();
    // The first delimiter has no line break before it.
    let mut rest = body
        .strip_prefix(&delimiter[2..])
        .ok_or_else(|| broken("it does not begin with its boundary"))?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        rest = rest
            .strip_prefix(b"\r\n")
            .ok_or_else(|| broken("a boundary does not end its line"))?;
        let head_end = find(&rest[..rest.len().min(LONGEST_HEAD)], b"\r\n\r\n")
            .ok_or_else(|| broken("the head of a part does not end"))?;
        let (head, behind) = rest.split_at(head_end);
        let behind = &behind[4..];
        let end = find(behind, delimiter).ok_or_else(|| broken("a part does not end"))?;
        if let Some(file_name) = name_in_head(head) {
            if parts.len() == most {
                return Err(broken(&format!("it has more than {most} files")));
            }
            let contents = &behind[..end];
            parts.push(Part {
                file_name,
                contents,
            });
        }
        rest = &behind[end + delimiter.len()..];
    }
    Ok(parts)
}

fn broken(why: &str) -> ApiError {
    ApiError::bad_request(
        "The form cannot be read",
        format!("Send the files as multipart/form-data, or one as application/octet-stream: {why}"),
    )
}

/// The file name of a part, if it has one.
fn name_in_head(head: &[u8]) -> Option<String> {
    let head = str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) =
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    let (_, behind) = value.split_once("filename=\"")?;
    let (name, _) = behind.split_once('"')?;
    // Browsers, and clients that do as they do, write these three so, and no others.
    let coded = [("%22", "\""), ("%0D", "\r"), ("%0A", "\n")];
    let decoded = coded.iter().fold(name.to_owned(), |name, (code, text)| {
        name.replace(code, text)
    });
    Some(decoded)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(file_name: &str, contents: &'a [u8]) -> Part<'a> {
        Part {
            file_name: file_name.to_owned(),
            contents,
        }
    }

    #[test]
    fn the_files_of_a_form_are_found() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/home/user/a%22.txt\"\r\n\
            Content-Type: text/plain\r\n\r\n--x\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\
            no file\r\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n\r\n--x--\r\n";
        assert_eq!(
            files(body, "x", 2).unwrap(),
            [part("/home/user/a\".txt", b"--x\r\n"), part("b", b"")]
        );
        assert!(files(body, "x", 1).is_err());
    }

    #[test]
    fn broken_forms_are_refused() {
        let head = "--x\r\nContent-Disposition: form-data; filename=\"a\"\r\n";
        let long = format!("--x\r\nA: {}\r\n\r\n\r\n--x--", "a".repeat(9000));
        for body in [
            "",
            "x",
            "--y--",
            "--x",
            "--x\r\n",
            head,
            &format!("{head}\r\nabc"),
            &format!("{head}\r\nabc\r\n--x"),
            &format!("{head}\r\nabc\r\n--xy--"),
            &long,
        ] {
            assert!(files(body.as_bytes(), "x", 9).is_err(), "{body:?}");
        }
        assert_eq!(files(b"--x--", "x", 9).unwrap(), []);
    }

    #[test]
    fn the_boundary_is_in_the_content_type() {
        assert_eq!(
            boundary_of("multipart/form-data; boundary=a-b"),
            Some("a-b")
        );
        assert_eq!(
            boundary_of("Multipart/Form-Data; charset=x; Boundary=\"a b\""),
            Some("a b")
        );
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for wrong in [
            "",
            "multipart/form-data",
            "text/plain; boundary=a",
            "multipart/form-data; boundary=",
            &long,
        ] {
            assert_eq!(boundary_of(wrong), None, "{wrong}");
        }
    }
}
