//! Tools as functions of Python.

use std::collections::HashSet;

use serde_json::Value;

use super::identifier::can_be_parameter;
use super::shape::Field;
use super::shape::Fields;
use super::shape::Shape;
use super::tool::Tool;

const HEAD: &str = "\
# Tools that programs call: tools.NAME(...) gives the result. In code that awaits, `await tools.NAME(...)`;
# several at once with `await asyncio.gather(tools.A(...), tools.B(...))`. One that fails raises tools.ToolError.
";

/// A function as a program sees it.
pub struct Signature {
    pub parameters: Vec<Parameter>,
    /// What it calls arguments that are not among the parameters, if it takes such, by name.
    pub others: Option<String>,
    pub returns: String,
    /// Classes that the annotations name.
    classes: Vec<String>,
    doc: String,
}

/// A parameter of a function.
pub struct Parameter {
    pub name: String,
    pub annotation: String,
    pub is_required: bool,
    /// As Python writes it.
    pub default: Option<String>,
}

impl Signature {
    /// `prefix` begins the names of its classes.
    pub fn of(tool: &Tool, prefix: &str) -> Self {
        let mut classes = Classes(Vec::new());
        let mut doc = tool.description.clone();
        let mut is_open = !matches!(tool.input.shape, Shape::Object(_));
        let mut parameters = Vec::new();
        if let Shape::Object(Fields {
            fields,
            is_open: open,
        }) = &tool.input.shape
        {
            is_open = *open || fields.iter().any(|field| !can_be_parameter(&field.name));
            let mut notes = String::new();
            for field in fields.iter().filter(|field| can_be_parameter(&field.name)) {
                parameters.push(classes.parameter(prefix, field));
                if !field.description.is_empty() {
                    notes.push_str(&format!("\n{}: {}", field.name, field.description));
                }
            }
            if !notes.is_empty() {
                doc.push('\n');
                doc.push_str(&notes);
            }
        }
        // Those that must be given come first, as Python wants it.
        parameters.sort_by_key(|parameter| !parameter.is_required);
        let returns = match &tool.output {
            Some(output) => classes.annotation(&output.shape, &format!("{prefix}Result")),
            None => "Any".to_owned(),
        };
        Self {
            others: is_open.then(|| name_of_others(&parameters)),
            parameters,
            returns,
            classes: classes.0,
            doc: doc.trim().to_owned(),
        }
    }

    /// The documentation, with the classes that the signature names.
    pub fn doc_with_types(&self) -> String {
        let mut doc = self.doc.clone();
        for class in &self.classes {
            doc.push_str("\n\n");
            doc.push_str(class.trim_end());
        }
        doc.trim().to_owned()
    }

    fn stub(&self, name: &str) -> String {
        let mut parameters: Vec<String> = self.parameters.iter().map(written).collect();
        if let Some(others) = &self.others {
            parameters.push(format!("**{others}: Any"));
        }
        let mut stub = String::new();
        for class in &self.classes {
            stub.push_str(class);
            stub.push('\n');
        }
        stub.push_str(&format!(
            "def {name}({}) -> {}:\n",
            parameters.join(", "),
            self.returns
        ));
        match self.doc.is_empty() {
            true => stub.push_str("    ...\n"),
            false => stub.push_str(&format!(
                "    \"\"\"{}\"\"\"\n",
                indented(&escaped(&self.doc))
            )),
        }
        stub
    }
}

/// All tools as a module.
pub fn stubs(tools: &[Tool]) -> String {
    let mut taken = HashSet::new();
    let stubs = tools.iter().map(|tool| {
        let mut prefix = camel_case(&tool.identifier);
        while !taken.insert(prefix.clone()) {
            prefix.push('_');
        }
        format!("\n{}", Signature::of(tool, &prefix).stub(&tool.identifier))
    });
    format!("{HEAD}{}", stubs.collect::<String>())
}

/// A name that no parameter has.
fn name_of_others(parameters: &[Parameter]) -> String {
    let mut name = "others".to_owned();
    while parameters.iter().any(|parameter| parameter.name == name) {
        name.push('_');
    }
    name
}

fn written(parameter: &Parameter) -> String {
    let Parameter {
        name, annotation, ..
    } = parameter;
    match &parameter.default {
        _ if parameter.is_required => format!("{name}: {annotation}"),
        Some(default) => format!("{name}: {annotation} = {default}"),
        // Left out, it is not sent at all.
        None => format!("{name}: {annotation} = ..."),
    }
}

/// What may stand between three quotes.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    match text.strip_suffix('"') {
        Some(before) if !before.ends_with('\\') => format!("{before}\\\""),
        _ => text,
    }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n    ")
}

/// The classes of objects that annotations name.
struct Classes(Vec<String>);

impl Classes {
    fn parameter(&mut self, prefix: &str, field: &Field) -> Parameter {
        let name = format!("{prefix}{}", camel_case(&field.name));
        Parameter {
            name: field.name.clone(),
            annotation: self.annotation(&field.shape, &name),
            is_required: field.is_required,
            default: field.default.as_ref().map(literal),
        }
    }

    /// A shape as a type; an object becomes a class of that name.
    fn annotation(&mut self, shape: &Shape, name: &str) -> String {
        match shape {
            Shape::Any => "Any".to_owned(),
            Shape::Null => "None".to_owned(),
            Shape::Boolean => "bool".to_owned(),
            Shape::Integer => "int".to_owned(),
            Shape::Number => "float".to_owned(),
            Shape::String => "str".to_owned(),
            Shape::Array(of) => format!("list[{}]", self.annotation(of, name)),
            Shape::Map(of) => format!("dict[str, {}]", self.annotation(of, name)),
            Shape::Literal(values) => {
                let values: Vec<String> = values.iter().map(literal).collect();
                format!("Literal[{}]", values.join(", "))
            }
            Shape::Union(members) => {
                let members: Vec<String> = members
                    .iter()
                    .enumerate()
                    .map(|(index, member)| self.annotation(member, &numbered(name, index)))
                    .collect();
                members.join(" | ")
            }
            Shape::Object(fields) => self.class(fields, name),
        }
    }

    fn class(&mut self, fields: &Fields, name: &str) -> String {
        let mut lines = format!("class {name}(TypedDict):\n");
        for field in &fields.fields {
            let of = format!("{name}{}", camel_case(&field.name));
            let annotation = self.annotation(&field.shape, &of);
            let annotation = match field.is_required {
                true => annotation,
                false => format!("NotRequired[{annotation}]"),
            };
            let note = match field.description.as_str() {
                "" => String::new(),
                text => format!("  # {text}"),
            };
            let name = match can_be_parameter(&field.name) {
                true => field.name.clone(),
                false => literal(&Value::String(field.name.clone())),
            };
            lines.push_str(&format!("    {name}: {annotation}{note}\n"));
        }
        if fields.fields.is_empty() {
            lines.push_str("    pass\n");
        }
        self.0.push(lines);
        name.to_owned()
    }
}

fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        _ => format!("{name}{}", index + 1),
    }
}

/// A value as Python writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(literal).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Object(map) => {
            let member = |(name, value)| {
                let name = Value::String(String::clone(name));
                format!("{name}: {}", literal(value))
            };
            let map: Vec<String> = map.iter().map(member).collect();
            format!("{{{}}}", map.join(", "))
        }
        // JSON's strings and numbers are Python's.
        Value::String(_) | Value::Number(_) => value.to_string(),
    }
}

/// The name of a class.
pub fn camel_case(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_ascii_uppercase() + rest)
        })
        .collect()
}
