//! Other protocols that programs may come by.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Model Context Protocol at `/mcp`.
    Mcp,
    /// Code evaluators of Langfuse: the route of AWS Lambda that invokes a function.
    Langfuse,
    /// SandboxFusion at `/sandbox-fusion`.
    SandboxFusion,
    /// Piston at `/api/v2`.
    Piston,
    /// E2B's code interpreter.
    E2b,
    /// Jupyter's kernel gateway at `/api/kernels`.
    Jupyter,
}

impl Door {
    pub const ALL: [Self; 6] = [
        Self::Mcp,
        Self::Langfuse,
        Self::SandboxFusion,
        Self::Piston,
        Self::E2b,
        Self::Jupyter,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Langfuse => "langfuse",
            Self::SandboxFusion => "sandbox-fusion",
            Self::Piston => "piston",
            Self::E2b => "e2b",
            Self::Jupyter => "jupyter",
        }
    }

    /// Its routes that bring a program, as patterns: a POST to one runs it.
    pub const fn program_routes(self) -> &'static [&'static str] {
        match self {
            Self::Mcp => &["/mcp"],
            Self::Langfuse => &["/2015-03-31/functions/{name}/invocations"],
            Self::SandboxFusion => &["/sandbox-fusion/run_code", "/sandbox-fusion/run_jupyter"],
            Self::Piston => &["/api/v2/execute"],
            Self::E2b => &["/execute", "/process.Process/Start"],
            // They come as messages of a WebSocket.
            Self::Jupyter => &[],
        }
    }
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
    let door = |name| {
        let mut all = Door::ALL.into_iter();
        all.find(|door| door.name() == name).ok_or_else(|| {
            let names = Door::ALL.map(Door::name).join(", ");
            format!("must be of {names}, separated by commas, or off for none")
        })
    };
    doors.map(door).collect()
}
