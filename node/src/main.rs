//! The program `x0`: a node of a mesh, and the commands that steer it. See [`x0_node::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    x0_node::cli::main()
}
