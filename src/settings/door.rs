//! Other protocols that programs may come by.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Model Context Protocol at `/mcp`.
    Mcp,
}

/// Those that are open. Named, or clap would take it for a list of lists.
pub type Doors = Vec<Door>;

/// Parses a list with commas; `off` is an empty one.
///
/// # Errors
/// Says what is allowed.
pub fn parse_doors(text: &str) -> Result<Vec<Door>, String> {
    let names = text.split(',').map(str::trim);
    let doors = names.filter(|name| !name.is_empty() && *name != "off");
    let door = |name| match name {
        "mcp" => Ok(Door::Mcp),
        _ => Err("must be mcp, or off for none".to_owned()),
    };
    doors.map(door).collect()
}
