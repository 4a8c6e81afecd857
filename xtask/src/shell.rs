//! Running a program: what is run is said first, how long it took is said after, and a failure names the command, the
//! folder and the mend. What the program prints goes to stderr, so that stdout stays this command's own.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// Runs a command to its end, with a line before and a line after; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let folder = command.get_current_dir().and_then(Path::file_name).map(|name| format!("  (in {})", name.display()));
    say(&format!("> {line}{}", folder.unwrap_or_default()));
    let started = Instant::now();
    let status = command.stdout(Stdio::from(io::stderr())).status().map_err(|error| not_started(command, &error))?;
    if !status.success() {
        bail!("`{line}` failed ({status}){}; its output is above", place(command));
    }
    say(&format!("  took {}", seconds(started.elapsed())));
    Ok(())
}

/// Runs a command whose stdout is this command's own result.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if !status.success() {
        bail!("`{}` failed ({status}); what it found is above", line(command));
    }
    Ok(())
}

/// Runs a command in silence and returns its stdout; its stderr becomes part of the error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}){}: {}", line(command), output.status, place(command), complaint.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print UTF-8", line(command)))
}

/// Whether a command can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// A line of progress.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// A duration for people: tenths of a second under a minute, whole seconds from there.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(60) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
}

/// The command as a person would type it; programs and paths are shortened to their last part where it is enough.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    command.get_args().fold(name.into_owned(), |line, argument| line + " " + &argument.to_string_lossy())
}

fn place(command: &Command) -> String {
    command.get_current_dir().map(|folder| format!(" in {}", folder.display())).unwrap_or_default()
}

fn not_started(command: &Command, error: &io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy();
    if let Some(folder) = command.get_current_dir().filter(|folder| !folder.is_dir()) {
        return anyhow!("`{}` cannot run: the folder {} does not exist", line(command), folder.display());
    }
    if error.kind() == io::ErrorKind::NotFound {
        return anyhow!("`{program}` was not found: install it, or put it on the PATH");
    }
    anyhow!("`{program}` could not be started{}: {error}", place(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("fails").to_string();
        assert!(error.starts_with("`sh -c exit 3` failed (exit status: 3)"), "{error}");
    }

    #[test]
    fn a_missing_program_and_a_missing_folder_are_told_apart() {
        let error = run(&mut Command::new("no-such-program")).expect_err("fails").to_string();
        assert_eq!(error, "`no-such-program` was not found: install it, or put it on the PATH");
        let error = run(Command::new("sh").current_dir("no-such-folder")).expect_err("fails").to_string();
        assert_eq!(error, "`sh` cannot run: the folder no-such-folder does not exist");
    }

    #[test]
    fn what_is_read_is_stdout_and_what_is_complained_of_is_stderr() {
        assert_eq!(read(Command::new("sh").args(["-c", "echo out; echo err >&2"])).expect("runs"), "out\n");
        let error = read(Command::new("sh").args(["-c", "echo why >&2; exit 1"])).expect_err("fails").to_string();
        assert!(error.ends_with(": why"), "{error}");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
