//! `teu port`: where a container's ports are published.

use super::ps::host;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Matches};

/// The command.
pub const PORT: Command = Command {
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    arity: Arity::Between(1, 2),
    operands: Completes::Running,
    examples: &[("teu port web 80", "0.0.0.0:8080")],
    ..Command::new("port", "List port mappings or a specific mapping for the container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let name = matches.operand(0);
    let bindings = ctx.containers()?.port(name)?;
    let Some(wanted) = matches.operands.get(1) else {
        let lines = bindings.iter().filter_map(|port| {
            let (address, number) = port.host?;
            let (inside, protocol) = (port.container_port, &port.protocol);
            Some(format!("{inside}/{protocol} -> {}:{number}\n", host(address)))
        });
        ctx.print(&lines.collect::<String>())?;
        return Ok(0);
    };
    let (number, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    let number: u16 = number
        .parse()
        .map_err(|_| Failure::new(format!("invalid port: {number:?}: expected PORT[/PROTO]")))?;
    let found = bindings.iter().filter(|p| p.container_port == number && p.protocol == protocol);
    let lines: String = found
        .filter_map(|port| port.host)
        .map(|(address, number)| format!("{}:{number}\n", host(address)))
        .collect();
    if lines.is_empty() {
        return Err(Failure::new(format!(
            "no public port '{number}/{protocol}' published for {name}"
        )));
    }
    ctx.print(&lines)?;
    Ok(0)
}
