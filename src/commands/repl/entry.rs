//! What of the lines that a person types makes a cell.

use faas_protocol::Fault;
use faas_protocol::Language;

/// Whether a line more is needed before anything can be said: in a block of Python, which a blank line ends.
pub fn is_in_block(language: Language, text: &str) -> bool {
    if language != Language::Python {
        return false;
    }
    let Some(last) = text.lines().last() else {
        return false;
    };
    let is_indented = last.starts_with([' ', '\t']);
    !last.trim().is_empty()
        && (is_indented || last.trim_end().ends_with(':') || last.starts_with('@'))
}

/// Whether a text that does not compile is only not over yet: its fault is that it ends.
pub fn is_unfinished(language: Language, text: &str, fault: &Fault) -> bool {
    let message = fault.message.as_str();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if language == Language::Python {
        return says(&["was never closed", "unterminated triple", "unexpected EOF"]);
    }
    let (line, column) = end_of(text);
    (fault.line, fault.column) == (line, column)
        || says(&["Unterminated template", "Unterminated block comment"])
        // V8 names the place where the comment begins.
        || text.rfind("/*").is_some_and(|begin| !text[begin..].contains("*/"))
}

/// The place behind the last character, as a fault names it.
fn end_of(text: &str) -> (u32, u32) {
    let last = text.lines().last().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (
        count(text.lines().count()),
        count(last.encode_utf16().count() + 1),
    )
}

/// A cell of JavaScript that shows the value of a text that is one expression; whether it is one, its check tells.
/// `None` for what would lose its meaning: a declaration is no expression.
pub fn showing(language: Language, text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(';');
    let declares = ["function", "async function", "class"];
    let is_declaration = declares.iter().any(|word| text.starts_with(word));
    (language != Language::Python && !is_declaration && !text.is_empty())
        .then(|| format!("display(({text}\n))"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: u32, column: u32, message: &str) -> Fault {
        Fault {
            line,
            column,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_block_of_python_goes_on_until_a_blank_line() {
        for text in ["def f():", "if x:\n  y = 1", "@decorator", "for i in x:  "] {
            assert!(is_in_block(Language::Python, text), "{text:?}");
        }
        for text in ["x = 1", "if x:\n  y = 1\n  ", ""] {
            assert!(!is_in_block(Language::Python, text), "{text:?}");
        }
        assert!(!is_in_block(Language::JavaScript, "label:"));
    }

    #[test]
    fn a_text_whose_fault_is_that_it_ends_is_unfinished() {
        let python = |text, message| is_unfinished(Language::Python, text, &fault(1, 5, message));
        assert!(python("x = [", "SyntaxError: '[' was never closed"));
        assert!(!python("1 +", "SyntaxError: invalid syntax"));
        let ends = fault(2, 4, "SyntaxError: Unexpected end of input");
        assert!(is_unfinished(Language::JavaScript, "f(\n[1,", &ends));
        let elsewhere = fault(1, 1, "SyntaxError: Unexpected token '}'");
        assert!(!is_unfinished(Language::JavaScript, "}\n[1,", &elsewhere));
        let comment = fault(1, 1, "SyntaxError: Invalid or unexpected token");
        assert!(is_unfinished(Language::JavaScript, "/* a", &comment));
        assert!(!is_unfinished(Language::JavaScript, "/* a */ #", &comment));
    }

    #[test]
    fn only_expressions_of_javascript_are_shown() {
        let shown = showing(Language::JavaScript, "{a: 1};");
        assert_eq!(shown.as_deref(), Some("display(({a: 1}\n))"));
        for text in [
            "function f() {}",
            "class A {}",
            "async function f() {}",
            " ;",
        ] {
            assert_eq!(showing(Language::TypeScript, text), None, "{text}");
        }
        assert_eq!(showing(Language::Python, "1"), None);
    }
}
