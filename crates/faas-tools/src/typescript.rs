//! Tools as functions of TypeScript.

use serde_json::Value;

use super::shape::Field;
use super::shape::Fields;
use super::shape::Shape;
use super::tool::Tool;

const HEAD: &str = "\
// Tools that programs call: `await tools.NAME({…})` gives the result; several at once with Promise.all. One that
// fails throws tools.ToolError.
";

/// All tools as declarations.
pub fn declarations(tools: &[Tool]) -> String {
    let functions: String = tools.iter().map(function).collect();
    format!(
        "{HEAD}declare const tools: {{\n{functions}  ToolError: new (message: string) => Error & {{ tool: string }};\n}};\n"
    )
}

fn function(tool: &Tool) -> String {
    let mut notes: Vec<String> = tool.description.lines().map(str::to_owned).collect();
    let mut is_optional = true;
    if let Shape::Object(Fields { fields, .. }) = &tool.input.shape {
        is_optional = !fields.iter().any(|field| field.is_required);
        for field in fields.iter().filter(|field| !field.description.is_empty()) {
            notes.push(format!("@param input.{} {}", field.name, field.description));
        }
    }
    let comment = match notes.as_slice() {
        [] => String::new(),
        [note] => format!("  /** {} */\n", escaped(note)),
        notes => {
            let lines: String = notes
                .iter()
                .map(|note| format!("   * {}\n", escaped(note)))
                .collect();
            format!("  /**\n{lines}   */\n")
        }
    };
    let input = type_of(&tool.input.shape);
    let output = tool.output.as_ref();
    let output = output.map_or_else(|| "any".to_owned(), |output| type_of(&output.shape));
    let mark = if is_optional { "?" } else { "" };
    format!(
        "{comment}  {}(input{mark}: {input}): Promise<{output}>;\n",
        tool.identifier
    )
}

/// What may stand in a comment.
fn escaped(text: &str) -> String {
    text.replace("*/", "*\\/")
}

fn type_of(shape: &Shape) -> String {
    match shape {
        Shape::Any => "any".to_owned(),
        Shape::Null => "null".to_owned(),
        Shape::Boolean => "boolean".to_owned(),
        Shape::Integer | Shape::Number => "number".to_owned(),
        Shape::String => "string".to_owned(),
        Shape::Array(of) => match of.as_ref() {
            Shape::Union(_) | Shape::Literal(_) => format!("({})[]", type_of(of)),
            of => format!("{}[]", type_of(of)),
        },
        Shape::Map(of) => format!("Record<string, {}>", type_of(of)),
        Shape::Literal(values) => {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            values.join(" | ")
        }
        Shape::Union(members) => {
            let members: Vec<String> = members.iter().map(type_of).collect();
            members.join(" | ")
        }
        Shape::Object(Fields { fields, is_open }) => {
            let mut members: Vec<String> = fields.iter().map(member).collect();
            if *is_open {
                members.push("[other: string]: any".to_owned());
            }
            format!("{{ {} }}", members.join("; "))
        }
    }
}

fn member(field: &Field) -> String {
    let is_plain = field
        .name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !field.name.starts_with(|c: char| c.is_ascii_digit())
        && !field.name.is_empty();
    let name = match is_plain {
        true => field.name.clone(),
        false => Value::String(field.name.clone()).to_string(),
    };
    let mark = if field.is_required { "" } else { "?" };
    format!("{name}{mark}: {}", type_of(&field.shape))
}
