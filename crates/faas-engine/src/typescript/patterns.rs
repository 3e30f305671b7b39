//! Assignments to a list of targets with `!`, `satisfies` or `<T>` in them: `[a[i]!, a[j]!] = …`.
//!
//! swc's parser takes `as` there and none of the others (swc-project/swc#11142). What it could not read is
//! replaced by spaces, so that all places stay, and the program is parsed again.

use deno_ast::ParseDiagnostic;
use deno_ast::ParsedSource;
use deno_ast::StartSourcePos;
use deno_ast::swc::ast;
use deno_ast::swc::common::BytePos;
use deno_ast::swc::common::Spanned;
use deno_ast::swc::parser::Parser;
use deno_ast::swc::parser::StringInput;
use deno_ast::swc::parser::Syntax;
use deno_ast::swc::parser::TsSyntax;
use deno_ast::swc::parser::error::SyntaxError;

/// The program without the types in targets that could not be read; `None` if there are none.
pub fn without_types(parsed: &ParsedSource) -> Option<String> {
    let byte =
        |position: deno_ast::SourcePos| position.as_byte_index(StartSourcePos::START_SOURCE_POS);
    let mut ranges: Vec<_> = parsed
        .diagnostics()
        .iter()
        .filter(|diagnostic| matches!(diagnostic.kind(), SyntaxError::InvalidPat))
        .map(ParseDiagnostic::range)
        .map(|range| byte(range.start)..byte(range.end))
        .collect();
    // From the end, so that what comes before stays where it is.
    ranges.sort_by_key(|range| std::cmp::Reverse(range.start));
    let mut text = parsed.text().to_string();
    let mut is_mended = false;
    for range in ranges {
        if let Some(target) = text.get(range.clone()).and_then(target_without_types) {
            text.replace_range(range, &target);
            is_mended = true;
        }
    }
    is_mended.then_some(text)
}

/// A target with spaces in place of its types; `None` if it has none.
fn target_without_types(target: &str) -> Option<String> {
    let end = u32::try_from(target.len()).ok()?;
    let input = StringInput::new(target, BytePos(0), BytePos(end));
    let syntax = Syntax::Typescript(TsSyntax::default());
    let whole = Parser::new(syntax, input, None).parse_expr().ok()?;
    let mut inner = &whole;
    loop {
        inner = match inner.as_ref() {
            ast::Expr::TsNonNull(outer) => &outer.expr,
            ast::Expr::TsTypeAssertion(outer) => &outer.expr,
            ast::Expr::TsSatisfies(outer) => &outer.expr,
            ast::Expr::TsAs(outer) => &outer.expr,
            _ => break,
        };
    }
    let span = inner.span();
    if span == whole.span() {
        return None;
    }
    let (start, end) = (span.lo.0 as usize, span.hi.0 as usize);
    let kept = target.get(start..end)?;
    Some(
        [
            &spaces(target.get(..start)?),
            kept,
            &spaces(target.get(end..)?),
        ]
        .concat(),
    )
}

/// As many columns of nothing; lines end where they did.
fn spaces(text: &str) -> String {
    text.chars()
        .flat_map(|character| match character {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => std::iter::repeat_n(character, 1),
            _ => std::iter::repeat_n(' ', character.len_utf16()),
        })
        .collect()
}
