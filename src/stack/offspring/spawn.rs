//! posix_spawn(3), system(3) and popen(3): libc makes these children by itself, so what they will hold is worked out
//! beforehand from the descriptors and the file actions.

use core::sync::atomic::Ordering::*;
use std::collections::BTreeMap;

use super::exec::{complain, is_connection, Connections};
use super::image::{self, Target};
use super::{add, lessen};
use crate::fdtable;
use crate::kernel;
use crate::socket::Sock;

/// A step of posix_spawn_file_actions_t, as far as it concerns descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Closes a descriptor, or puts a file there.
    Gone(i32),
    /// Duplicates the first under the second number; onto itself it clears FD_CLOEXEC.
    Dup(i32, i32),
    /// Closes all from a number on.
    From(i32),
}

/// What a child will hold: the descriptor of this process that each comes from, and whether exec closes it.
type Held = BTreeMap<i32, (Sock, bool)>;

fn now() -> Held {
    let each = |(fd, _)| {
        let flags = kernel::fcntl(fd, libc::F_GETFD, 0).ok()?;
        Some((fd, (fdtable::get(fd)?, flags & libc::FD_CLOEXEC != 0)))
    };
    fdtable::all().filter_map(each).collect()
}

/// What is left of it before exec, after the actions.
fn after(held: &Held, actions: &[Action]) -> Held {
    let mut held = held.clone();
    for action in actions {
        match *action {
            Action::Gone(fd) => drop(held.remove(&fd)),
            Action::Dup(old, new) => match held.get(&old) {
                Some((s, _)) => drop(held.insert(new, (*s, false))),
                None => drop(held.remove(&new)),
            },
            Action::From(first) => held.retain(|fd, _| *fd < first),
        }
    }
    held
}

/// A child that is about to be made: its references are counted.
pub struct Child {
    counted: Vec<Sock>,
    connections: Connections,
    /// First steps for a program that cannot be preloaded: puts a stream (the first number) in the place of a connection.
    pub first: Vec<(i32, i32)>,
    /// Last steps: closes what those steps have made to outlive exec.
    pub last: Vec<i32>,
}

impl Child {
    /// Counts what the child will hold. `target` is what it executes; a program that cannot be preloaded gets streams
    /// in the place of its connections.
    pub fn expect(actions: &[Action], target: Target<'_>) -> Child {
        let mut child =
            Child { counted: Vec::new(), connections: Connections::none(), first: Vec::new(), last: Vec::new() };
        if fdtable::is_empty() {
            return child;
        }
        let before = now();
        let mut left = after(&before, actions);
        let outlives = |left: &Held| left.values().any(|(_, closes)| !*closes);
        if outlives(&left) && !image::can_be_preloaded(target) {
            child.make_plain(&before, &mut left);
        }
        for (s, _) in left.into_values().filter(|(_, closes)| !*closes) {
            add(s.slot);
            child.counted.push(s);
        }
        child.connections.start();
        child
    }

    /// Takes the connections out of what is left for the child and plans streams for them.
    fn make_plain(&mut self, before: &Held, left: &mut Held) {
        let kept: Vec<Sock> = left.values().filter(|(_, closes)| !*closes).map(|(s, _)| *s).collect();
        for s in kept {
            complain(&s);
            let is_known = !left.values().any(|(other, _)| other.number == s.number);
            let Some(far) = (is_connection(&s) && !is_known).then(|| self.connections.stream_for(&s)).flatten() else {
                continue;
            };
            let same = |(fd, (other, _)): (&i32, &(Sock, bool))| (other.number == s.number).then_some(*fd);
            self.first.extend(before.iter().filter_map(same).map(|fd| (far, fd)));
            self.last.extend(left.iter().filter(|(_, (_, closes))| *closes).filter_map(same));
            left.retain(|_, (other, _)| other.number != s.number);
        }
    }

    /// The child has been made, or has not.
    pub fn made(mut self, is_there: bool) {
        if !is_there {
            for s in &self.counted {
                lessen(s.slot);
            }
            self.connections.undo();
        }
        self.connections.close();
    }
}

/// Is there any socket of ours that a child could inherit? Otherwise there is nothing to work out.
pub fn concerns() -> bool {
    !fdtable::is_empty() && crate::network::opened().is_some_and(|a| a.header().live.load(Relaxed) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{Arena, Slot};

    fn held(fds: &[(i32, u32, bool)]) -> Held {
        // The slots and the arena are never looked into here, only carried along.
        let path = std::env::temp_dir().join(format!("sockhop-spawn-{}-{}", std::process::id(), kernel::random_u64()));
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let arena: &'static Arena = Arena::open(&name).unwrap();
        std::fs::remove_file(path).unwrap();
        let slot: &'static Slot = arena.slot(0).unwrap();
        fds.iter()
            .map(|(fd, number, closes)| (*fd, (Sock { fd: *fd, number: *number, slot, arena }, *closes)))
            .collect()
    }

    fn numbers(held: &Held) -> Vec<(i32, u32)> {
        held.iter().filter(|(_, (_, closes))| !*closes).map(|(fd, (s, _))| (*fd, s.number)).collect()
    }

    #[test]
    fn actions_are_followed_in_order() {
        let start = || held(&[(3, 30, false), (4, 40, true), (5, 50, false)]);
        assert_eq!(numbers(&after(&start(), &[])), [(3, 30), (5, 50)]);
        assert_eq!(numbers(&after(&start(), &[Action::Dup(4, 4)])), [(3, 30), (4, 40), (5, 50)]);
        assert_eq!(numbers(&after(&start(), &[Action::Dup(4, 0), Action::From(3)])), [(0, 40)]);
        assert_eq!(numbers(&after(&start(), &[Action::Dup(9, 3), Action::Gone(5)])), []);
        assert_eq!(numbers(&after(&start(), &[Action::Gone(3), Action::Dup(5, 3)])), [(3, 50), (5, 50)]);
    }
}
