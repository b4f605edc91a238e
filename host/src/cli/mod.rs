//! The command line: reads the arguments and runs one subcommand. The only module of the broker that may forget
//! which error it was.

mod admin_key;
mod check;
mod compiler;
mod serve;
mod show;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use config::Problems;

#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker until SIGTERM or SIGINT; SIGHUP reloads config and plugins, SIGUSR2 hands over to a new process
    Serve(serve::Serve),
    /// Look at a config without serving it
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Mint a token for development, with the tenant's first HS256 key
    Token(token::Token),
    /// Make a key for the admin API
    AdminKey(admin_key::AdminKeyArgs),
    /// Compile plugins for the broker that started this process
    #[command(hide = true)]
    Compiler(compiler::CompilerArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Load everything as `serve` would, and print every problem
    Check(check::Check),
    /// Print what is in force, as TOML: with what is left out, and with "***" for secrets
    Show(show::Show),
}

/// Runs the subcommand of the process's arguments. Wrong arguments end the process with 2; every other
/// failure gives 1.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Config(ConfigCommand::Check(args)) => check::run(&args),
        Command::Config(ConfigCommand::Show(args)) => show::run(&args),
        Command::Token(args) => token::run(&args),
        Command::AdminKey(args) => admin_key::run(&args),
        Command::Compiler(args) => compiler::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        match error.chain().find_map(|cause| cause.downcast_ref::<Problems>()) {
            // Each line begins with its file already, in the format of editors and grep.
            Some(problems) => problems.for_log().for_each(|problem| eprintln!("{problem}")),
            None => eprintln!("sluicegate: {error:#}"),
        }
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Cli, String> {
        let words = line.split_whitespace();
        Cli::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn clap_finds_no_contradiction() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn takes_the_documented_commands() {
        let lines = [
            "sluicegate serve --config sg.toml",
            "sluicegate serve --config sg.toml --log-format json --demo",
            "sluicegate config check --config sg.toml",
            "sluicegate config show --config sg.toml",
            "sluicegate token --config sg.toml --tenant t --user u",
            "sluicegate token --config sg.toml --tenant t --user u --claims {} --ttl 7d",
            "sluicegate admin-key --name ops",
            "sluicegate admin-key --name ops --scopes publish,read --tenants acme,other",
        ];
        for line in lines {
            assert!(typed(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_config_file_is_never_guessed() {
        for line in [
            "sluicegate serve",
            "sluicegate config check",
            "sluicegate config show",
            "sluicegate token --tenant t --user u",
        ] {
            let said = typed(line).expect_err(line);
            assert!(said.contains("--config <FILE>"), "{said}");
        }
    }
}
