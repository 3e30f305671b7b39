//! The return value that a program prints: text between two marker lines on stdout, as today's
//! callers have their own `return_val` do; or, for JavaScript programs that have one, a JSON object on the
//! last line.

const START: &str = "__COZE_RETURN_VAL_START__";
const END: &str = "__COZE_RETURN_VAL_END__";

/// Takes the last marked block out of `stdout` and returns its text; other blocks go, too, so that
/// the markers leave no trace. A start without an end is ordinary output.
pub fn extract(stdout: &mut String) -> Option<String> {
    if !stdout.contains(START) {
        return None;
    }
    let mut rest = String::with_capacity(stdout.len());
    let mut value = None;
    let mut block: Option<String> = None;
    for line in stdout.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        match &mut block {
            None if text == START => block = Some(String::new()),
            None => rest.push_str(line),
            Some(inside) if text == END => {
                let without_newline = inside.strip_suffix('\n').unwrap_or(inside);
                value = Some(without_newline.to_owned());
                block = None;
            }
            Some(inside) => inside.push_str(line),
        }
    }
    if let Some(unfinished) = block {
        rest.push_str(START);
        rest.push('\n');
        rest.push_str(&unfinished);
    }
    *stdout = rest;
    value
}

/// The words that declare a function, and what stands between them and its name.
const DECLARATIONS: [&str; 4] = ["function", "const", "let", "var"];

/// Whether a JavaScript program declares a `return_val` of its own, as coze-loop's templates do. Only then
/// is what it prints last meant as its value. A comment that says so counts, too: it costs little to be
/// wrong, and a parser of hostile text here would cost much.
pub fn is_defined_in(code: &str) -> bool {
    code.match_indices("return_val").any(|(index, name)| {
        let is_whole = !code[index + name.len()..]
            .starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '$'));
        let before = &code[..index];
        let words = before.trim_end();
        let is_apart = words.len() < before.len();
        is_whole && is_apart && DECLARATIONS.iter().any(|word| words.ends_with(word))
    })
}

/// Takes the last line that is not blank out of `stdout` if it is a JSON object, and returns it.
pub fn extract_last_object(stdout: &mut String) -> Option<String> {
    let end = stdout.trim_end().len();
    let start = stdout[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let line = stdout[start..end].trim();
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    drop(object);
    let line = line.to_owned();
    let rest = stdout[end..]
        .find('\n')
        .map_or(stdout.len(), |newline| end + newline + 1);
    stdout.replace_range(start..rest, "");
    Some(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(stdout: &str) -> (String, Option<String>) {
        let mut text = stdout.to_owned();
        let value = extract(&mut text);
        (text, value)
    }

    #[test]
    fn the_block_becomes_the_value_and_leaves_no_trace() {
        let (stdout, value) = split(&format!("a\n{START}\n{{\"x\": 1}}\n{END}\nb"));
        assert_eq!(
            (stdout.as_str(), value.as_deref()),
            ("a\nb", Some("{\"x\": 1}"))
        );
    }

    #[test]
    fn a_value_of_several_lines_is_kept_whole() {
        let (_, value) = split(&format!("{START}\none\n\ntwo\n{END}\n"));
        assert_eq!(value.as_deref(), Some("one\n\ntwo"));
    }

    #[test]
    fn the_last_block_counts() {
        let (stdout, value) = split(&format!("{START}\n1\n{END}\nx\n{START}\n2\n{END}\n"));
        assert_eq!((stdout.as_str(), value.as_deref()), ("x\n", Some("2")));
    }

    #[test]
    fn a_start_without_end_is_output() {
        let text = format!("a\n{START}\nb");
        assert_eq!(split(&text), (text.clone(), None));
    }

    #[test]
    fn markers_within_a_line_are_output() {
        let text = format!("x{START}\n1\n{END}\n");
        assert_eq!(split(&text), (text.clone(), None));
    }

    fn split_object(stdout: &str) -> (String, Option<String>) {
        let mut text = stdout.to_owned();
        let value = extract_last_object(&mut text);
        (text, value)
    }

    #[test]
    fn an_object_on_the_last_line_leaves_it() {
        let (stdout, value) = split_object("a\n {\"x\": [1, {}]} \n\n");
        assert_eq!(
            (stdout.as_str(), value.as_deref()),
            ("a\n\n", Some("{\"x\": [1, {}]}"))
        );
        let (stdout, value) = split_object("{}");
        assert_eq!((stdout.as_str(), value.as_deref()), ("", Some("{}")));
    }

    #[test]
    fn anything_else_on_the_last_line_stays() {
        for text in [
            "",
            "\n",
            "1\n",
            "[1]\n",
            "{\"a\": 1}\nx\n",
            "{ a: 1 }\n",
            "{\"a\": 1} x\n",
        ] {
            assert_eq!(split_object(text), (text.to_owned(), None));
        }
    }

    #[test]
    fn a_program_that_declares_return_val_is_told_from_one_that_calls_it() {
        for code in [
            "function return_val(value) {}",
            "async  function\n return_val() {}",
            "const return_val = (v) => console.log(v)",
            "x; let return_val;",
        ] {
            assert!(is_defined_in(code), "{code}");
        }
        for code in [
            "return_val({})",
            "function return_value() {}",
            "function return_val2() {}",
            "functionreturn_val",
            "",
        ] {
            assert!(!is_defined_in(code), "{code}");
        }
    }

    proptest! {
        #[test]
        fn output_without_markers_is_untouched(text in "[a-z_\n\r]*") {
            prop_assert_eq!(split(&text), (text.clone(), None));
        }
    }
}
