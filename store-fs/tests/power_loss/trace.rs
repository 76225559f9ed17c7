//! What a process did to a directory, read from an strace with `-f -y -xx`.

use std::collections::HashMap;
use std::path::PathBuf;

/// A step that a loss of power may come after. Paths are absolute.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    MakeFolder(PathBuf),
    MakeFile(PathBuf),
    /// Bytes, and where they go; without a place, to the end.
    Write(PathBuf, Option<usize>, Vec<u8>),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// Of a file or a folder.
    Sync(PathBuf),
    /// The process said that it was told that a verb is done.
    Answered,
}

/// The system calls to trace; a question mark before those that not every machine has.
pub(crate) const CALLS: &str = "trace=?mkdir,mkdirat,openat,?openat2,write,pwrite64,fsync,fdatasync,sync,syncfs,\
                                ftruncate,?rename,renameat,?renameat2,?link,linkat,?unlink,unlinkat,?rmdir";

/// Reads the lines of a trace. What it does not know it does not pass over.
pub(crate) fn steps(trace: &str) -> Vec<Step> {
    let mut begun = HashMap::new();
    let whole = trace.lines().filter_map(|line| {
        let (process, call) = line.trim().split_once(' ').unwrap();
        let call = call.trim();
        // Another thread was woken up meanwhile.
        if let Some(begin) = call.strip_suffix("<unfinished ...>") {
            begun.insert(process, begin.trim());
            return None;
        }
        if let Some((_, end)) = call.split_once(" resumed>") {
            // What began before the trace did, such as the word that the process is ready, is no part of it.
            return Some(format!("{}{end}", begun.remove(process)?));
        }
        Some(call.to_owned())
    });
    whole.filter_map(|call| step(&call)).collect()
}

fn step(call: &str) -> Option<Step> {
    if call.starts_with("+++") || call.starts_with("---") {
        return None;
    }
    let (name, rest) = call.split_once('(').unwrap();
    // Results stand in a column of their own, if there is room for one.
    let (arguments, result) = rest.rsplit_once(" = ").unwrap();
    if result.starts_with("-1 ") {
        return None;
    }
    let arguments = arguments.trim_end().strip_suffix(')').unwrap();
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let at = |index: usize| beneath(arguments[index], arguments[index + 1]);
    Some(match name {
        "openat" if arguments[2].contains("O_CREAT") => Step::MakeFile(at(0)),
        "openat" | "openat2" => {
            assert!(
                !call.contains("O_CREAT") && !call.contains("O_TRUNC"),
                "{call}"
            );
            return None;
        }
        "mkdirat" => Step::MakeFolder(at(0)),
        "mkdir" => Step::MakeFolder(text(arguments[0]).into()),
        "write" if arguments[0].starts_with("1<") => Step::Answered,
        "write" if !opened(arguments[0]).is_absolute() => return None, // a pipe or an event of the runtime
        "write" => Step::Write(opened(arguments[0]), None, bytes(arguments[1])),
        "pwrite64" => {
            let place = arguments[3].parse().unwrap();
            Step::Write(opened(arguments[0]), Some(place), bytes(arguments[1]))
        }
        "renameat" | "renameat2" => Step::Rename(at(0), at(2)),
        "unlinkat" => Step::Remove(at(0)),
        "fsync" | "fdatasync" => Step::Sync(opened(arguments[0])),
        _ => panic!("the replay does not know {call}"),
    })
}

/// The path behind a descriptor: `7<path>`.
fn opened(argument: &str) -> PathBuf {
    let path = argument.split_once('<').unwrap().1;
    text(path.strip_suffix('>').unwrap()).into()
}

/// A name in an opened folder; an absolute one stands for itself.
fn beneath(folder: &str, name: &str) -> PathBuf {
    opened(folder).join(text(name))
}

fn text(argument: &str) -> String {
    String::from_utf8(bytes(argument)).unwrap()
}

/// `"\x61\x62"`, with its quotes or without.
fn bytes(argument: &str) -> Vec<u8> {
    assert!(!argument.ends_with("..."), "cut off: {argument}");
    let digits = argument.trim_matches('"').split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).unwrap())
        .collect()
}
