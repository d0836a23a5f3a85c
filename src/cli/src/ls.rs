//! `sockhop ls`: the networks and who is bound in each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;
use sockhop::network::view::{self, SocketView};

use crate::args::LsArgs;
use crate::failure::{reason, Failure};
use crate::netdir::Base;
use crate::run::checked_name;

#[derive(Serialize)]
struct Network {
    network: String,
    directory: String,
    sockets: Vec<Row>,
}

/// One socket in the hands of one process; a socket that several hold has a row for each.
#[derive(Serialize)]
struct Row {
    network: String,
    protocol: &'static str,
    address: String,
    peer: Option<String>,
    state: &'static str,
    pid: Option<i32>,
    program: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    pid: i32,
    program: String,
}

type Holders = HashMap<u64, Vec<Holder>>;

pub fn run(args: &LsArgs) -> Result<(), Failure> {
    let base = Base::from_env()?;
    let mut names = base.networks()?;
    if let Some(wanted) = &args.net {
        let wanted = checked_name(wanted)?;
        names.retain(|name| *name == wanted);
        if names.is_empty() {
            let text = format!("there is no network {:?} in {}", wanted.to_string_lossy(), base.path.display());
            return Err(Failure::new(text));
        }
    }
    let mut networks = Vec::new();
    let mut unreadable = None;
    // Before the processes are looked at: a socket bound in between is then merely not listed yet.
    let mut views = Vec::new();
    for name in names {
        match view::list(&base.path.join(&name)) {
            Ok(sockets) => views.push((name, sockets)),
            // Gone since we looked: a fresh network whose last program has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable = Some(format!("{}: {}", base.path.join(&name).display(), reason(&error))),
        }
    }
    let holders = if views.iter().any(|(_, sockets)| !sockets.is_empty()) { holders() } else { Holders::new() };
    for (name, sockets) in views {
        networks.push(describe(&name, &base.path, &sockets, &holders));
    }
    let text = if args.json { json(&networks) } else { table(&networks) };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("cannot write the list: {}", reason(&error))))?;
    match unreadable {
        Some(why) => Err(Failure::new(why)),
        None => Ok(()),
    }
}

fn describe(name: &OsStr, base: &Path, sockets: &[SocketView], holders: &Holders) -> Network {
    let network = name.to_string_lossy().into_owned();
    let mut sorted: Vec<_> = sockets.iter().collect();
    sorted.sort_by_key(|socket| (socket.protocol, socket.local.port(), socket.local.ip(), socket.peer));
    let mut rows = Vec::new();
    for socket in sorted {
        let row = |holder: Option<&Holder>| Row {
            network: network.clone(),
            protocol: socket.protocol,
            address: socket.local.to_string(),
            peer: socket.peer.map(|peer| peer.to_string()),
            state: socket.state,
            pid: holder.map(|h| h.pid),
            program: holder.map(|h| h.program.clone()),
        };
        match holders.get(&socket.inode) {
            Some(found) => rows.extend(found.iter().map(|holder| row(Some(holder)))),
            None => rows.push(row(None)),
        }
    }
    Network { network, directory: base.join(name).display().to_string(), sockets: rows }
}

fn json(networks: &[Network]) -> String {
    let mut text = serde_json::to_string_pretty(networks).expect("plain strings and numbers always serialise");
    text.push('\n');
    text
}

fn table(networks: &[Network]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["NETWORK", "PROTO", "LOCAL", "PEER", "STATE", "PID", "PROGRAM"]);
    for network in networks {
        if network.sockets.is_empty() {
            table.add_row([network.network.as_str(), "-", "-", "-", "-", "-", "-"]);
        }
        for row in &network.sockets {
            let pid = row.pid.map(|pid| pid.to_string());
            table.add_row([
                row.network.as_str(),
                row.protocol,
                &row.address,
                row.peer.as_deref().unwrap_or("-"),
                row.state,
                pid.as_deref().unwrap_or("-"),
                row.program.as_deref().unwrap_or("-"),
            ]);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(pid) = table.column_mut(5) {
        pid.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_string()).collect();
    lines.join("\n") + "\n"
}

/// Who holds which socket, by the inode number that /proc/PID/fd shows. Processes that cannot be read are not ours.
fn holders() -> Holders {
    let mut found = Holders::new();
    let mut pids: Vec<i32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .collect();
    pids.sort_unstable();
    for pid in pids {
        let mut program = None;
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Some(inode) = fs::read_link(entry.path()).ok().and_then(|link| socket_inode(link.as_os_str())) else {
                continue;
            };
            let program = program.get_or_insert_with(|| {
                fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_string()
            });
            let holder = Holder { pid, program: program.clone() };
            let list = found.entry(inode).or_default();
            // The same process again through a duplicated descriptor.
            if !list.contains(&holder) {
                list.push(holder);
            }
        }
    }
    found
}

fn socket_inode(link: &OsStr) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    fn example() -> Vec<Network> {
        let socket = |protocol, local: &str, peer: Option<&str>, state, inode| SocketView {
            protocol,
            local: local.parse().unwrap(),
            peer: peer.map(|p| p.parse().unwrap()),
            state,
            inode,
        };
        let sockets = [
            socket("udp", "[::1]:53", None, "BOUND", 12),
            socket("tcp", "127.0.0.1:9000", Some("127.0.0.1:40000"), "ESTAB", 11),
            socket("tcp", "0.0.0.0:80", None, "LISTEN", 10),
        ];
        let holder = |pid, program: &str| Holder { pid, program: program.into() };
        let holders =
            Holders::from([(10, vec![holder(7, "nginx"), holder(8, "nginx")]), (11, vec![holder(9, "curl")])]);
        let base = Path::new("/base");
        vec![describe(OsStr::new("blue"), base, &sockets, &holders), describe(OsStr::new("empty"), base, &[], &holders)]
    }

    #[test]
    fn the_table_has_a_line_for_each_socket_and_holder() {
        let text = table(&example());
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words,
            [
                vec!["NETWORK", "PROTO", "LOCAL", "PEER", "STATE", "PID", "PROGRAM"],
                vec!["blue", "tcp", "0.0.0.0:80", "-", "LISTEN", "7", "nginx"],
                vec!["blue", "tcp", "0.0.0.0:80", "-", "LISTEN", "8", "nginx"],
                vec!["blue", "tcp", "127.0.0.1:9000", "127.0.0.1:40000", "ESTAB", "9", "curl"],
                vec!["blue", "udp", "[::1]:53", "-", "BOUND", "-", "-"],
                vec!["empty", "-", "-", "-", "-", "-", "-"],
            ]
        );
    }

    #[test]
    fn the_json_says_the_same() {
        let value: serde_json::Value = serde_json::from_str(&json(&example())).unwrap();
        assert_eq!(value[0]["network"], "blue");
        assert_eq!(value[0]["directory"], "/base/blue");
        let first = &value[0]["sockets"][0];
        assert_eq!(first["network"], "blue");
        assert_eq!(first["protocol"], "tcp");
        assert_eq!(first["address"], "0.0.0.0:80");
        assert_eq!(first["state"], "LISTEN");
        assert_eq!(first["pid"], 7);
        assert_eq!(first["program"], "nginx");
        assert!(value[0]["sockets"][3]["pid"].is_null());
        assert_eq!(value[1]["sockets"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn a_socket_of_this_process_is_found_by_its_inode() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", one.as_raw_fd())).unwrap().ino();
        let found = holders();
        let list = found.get(&inode).expect("our own socket was not found");
        assert!(list.iter().any(|holder| holder.pid == i32::try_from(std::process::id()).unwrap()));
    }

    #[test]
    fn only_sockets_have_a_socket_inode() {
        assert_eq!(socket_inode(OsStr::new("socket:[123]")), Some(123));
        assert_eq!(socket_inode(OsStr::new("pipe:[123]")), None);
        assert_eq!(socket_inode(OsStr::new("/tmp/socket:[1]")), None);
    }
}
