//! What xtask starts ends with xtask, however that ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far less than the programs under test would run by themselves.
const SOON: Duration = Duration::from_secs(20);

fn supervised(script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["supervise", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("xtask starts")
}

/// Reads the one line by which the program says that it runs.
fn running(child: &mut Child) -> BufReader<std::process::ChildStdout> {
    let mut stdout = BufReader::new(child.stdout.take().expect("a piped stdout"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "running\n");
    stdout
}

/// The stream ends when the last process that holds it has ended.
fn assert_ends_soon(mut stdout: impl Read) {
    let started = Instant::now();
    stdout.read_to_end(&mut Vec::new()).expect("the end");
    assert!(started.elapsed() < SOON, "ended only after {:?}", started.elapsed());
}

#[test]
fn the_program_ends_when_the_pipe_closes() {
    let mut child = supervised("echo running; exec sleep 60");
    let stdout = running(&mut child);
    drop(child.stdin.take());
    assert_ends_soon(stdout);
    assert!(!child.wait().expect("ended").success());
}

#[test]
fn an_interrupt_does_not_leave_the_program_behind() {
    let mut child = supervised("trap '' INT; echo running; exec sleep 60");
    let stdout = running(&mut child);
    let interrupt = |child: &Child| Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt(&child).expect("kill runs").success());
    // Had the interrupt ended the supervisor, nothing would end the program now.
    drop(child.stdin.take());
    assert_ends_soon(stdout);
    child.wait().expect("ended");
}

#[test]
fn the_programs_exit_code_and_output_are_passed_on() {
    let mut child = supervised("echo running; exit 7");
    running(&mut child);
    // Held open, as by a parent that waits.
    let held = child.stdin.take();
    let status = child.wait().expect("ended");
    drop(held);
    assert_eq!(status.code(), Some(7));
}
