//! How much a message may hold besides texts: parsed, each value takes many times the bytes that were sent.

/// Most arrays, objects and members of a message. Lists of files, packages and arguments stay far below.
pub const MOST_VALUES: usize = 20_000;

/// How many values a text of JSON has at most, without parsing it.
pub fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut is_escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts_only() {
        for (json, count) in [
            ("1", 1),
            ("[1,2,3]", 4),
            (r#"{"a":"[,{","b":[]}"#, 4),
            (r#""\",[\\""#, 1),
            (r#"["\\",1]"#, 3),
        ] {
            assert_eq!(values(json.as_bytes()), count, "{json}");
        }
    }
}
