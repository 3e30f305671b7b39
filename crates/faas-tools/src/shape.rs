//! The types in a schema, as far as signatures tell them.

use serde_json::Map;
use serde_json::Value;

/// Most values of an enumeration that a signature lists.
const MOST_VALUES: usize = 20;
/// Most members of a union that a signature lists.
const MOST_MEMBERS: usize = 8;

/// What values are of.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Any,
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array(Box<Shape>),
    Object(Fields),
    /// An object whose names are not known, with such values.
    Map(Box<Shape>),
    /// One of these values.
    Literal(Vec<Value>),
    Union(Vec<Shape>),
}

/// The properties of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    /// In the order in which they are declared.
    pub fields: Vec<Field>,
    /// Whether there may be others.
    pub is_open: bool,
}

/// A property.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub shape: Shape,
    pub is_required: bool,
    pub description: String,
    pub default: Option<Value>,
}

impl Shape {
    /// The types in a schema without references.
    pub fn of(schema: &Value) -> Self {
        let Value::Object(keywords) = schema else {
            return Self::Any;
        };
        if let Some(value) = keywords.get("const") {
            return Self::literal(std::slice::from_ref(value));
        }
        if let Some(Value::Array(values)) = keywords.get("enum") {
            return Self::literal(values);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(members)) = keywords.get(keyword) {
                return Self::union(members.iter().map(Self::of).collect());
            }
        }
        match keywords.get("type") {
            Some(Value::String(name)) => Self::named(name, keywords),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                Self::union(names.map(|name| Self::named(name, keywords)).collect())
            }
            _ if keywords.contains_key("properties") => Self::object(keywords),
            _ => match keywords.get("allOf") {
                Some(Value::Array(all)) if all.len() == 1 => {
                    all.first().map_or(Self::Any, Self::of)
                }
                _ => Self::Any,
            },
        }
    }

    fn named(name: &str, keywords: &Map<String, Value>) -> Self {
        match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array(Box::new(keywords.get("items").map_or(Self::Any, Self::of))),
            "object" => Self::object(keywords),
            _ => Self::Any,
        }
    }

    fn object(keywords: &Map<String, Value>) -> Self {
        let others = keywords.get("additionalProperties");
        let no_properties = Map::new();
        let properties = match keywords.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ => &no_properties,
        };
        if properties.is_empty() && others != Some(&Value::Bool(false)) {
            return Self::Map(Box::new(others.map_or(Self::Any, Self::of)));
        }
        let required: Vec<&str> = match keywords.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let fields = properties.iter().map(|(name, schema)| Field {
            name: name.clone(),
            shape: Self::of(schema),
            is_required: required.contains(&name.as_str()),
            description: text_of(schema, "description"),
            default: schema.get("default").cloned(),
        });
        Self::Object(Fields {
            fields: fields.collect(),
            is_open: !matches!(others, None | Some(Value::Bool(false))),
        })
    }

    fn literal(values: &[Value]) -> Self {
        let is_short = |value: &Value| !value.is_array() && !value.is_object();
        match values.len() <= MOST_VALUES && !values.is_empty() && values.iter().all(is_short) {
            true => Self::Literal(values.to_vec()),
            false => Self::Any,
        }
    }

    fn union(members: Vec<Self>) -> Self {
        let mut distinct: Vec<Self> = Vec::new();
        for member in members {
            if member == Self::Any {
                return Self::Any;
            }
            if !distinct.contains(&member) {
                distinct.push(member);
            }
        }
        match distinct.len() {
            0 => Self::Any,
            1 => distinct.remove(0),
            _ if distinct.len() > MOST_MEMBERS => Self::Any,
            _ => Self::Union(distinct),
        }
    }
}

/// A text of a schema, in one line.
fn text_of(schema: &Value, keyword: &str) -> String {
    let text = schema.get(keyword).and_then(Value::as_str);
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}
