//! A registration as it goes over exec, and to other processes that have the instance.

use super::{key, Item, Items, Target};

/// A registration by itself.
pub struct Record {
    /// The number that was registered.
    pub fd: i32,
    /// What for.
    pub target: Target,
    events: u32,
    data: u64,
    seen: (u64, u64),
    fresh: bool,
    spent: bool,
    /// It is none any more.
    pub gone: bool,
}

impl Record {
    /// How many words one takes.
    pub const WORDS: usize = 8;

    /// As words.
    pub fn to_words(&self) -> [u64; Record::WORDS] {
        let (nested, number, generation) = match self.target {
            Target::Socket(number, generation) => (0, number, generation),
            Target::Nested => (1, 0, 0),
        };
        let flags = nested | (self.fresh as u64) << 1 | (self.spent as u64) << 2 | (self.gone as u64) << 3;
        let (fd, events) = (self.fd as u64, self.events as u64);
        [fd, flags, number as u64, generation as u64, events, self.data, self.seen.0, self.seen.1]
    }

    /// Back from words, of which there are enough.
    pub fn from_words(w: &[u64]) -> Record {
        let target = if w[1] & 1 != 0 { Target::Nested } else { Target::Socket(w[2] as u32, w[3] as u32) };
        let (fresh, spent, gone) = (w[1] & 2 != 0, w[1] & 4 != 0, w[1] & 8 != 0);
        Record { fd: w[0] as i32, target, events: w[4] as u32, data: w[5], seen: (w[6], w[7]), fresh, spent, gone }
    }

    /// As it is when it is taken out.
    pub fn ended(self) -> Record {
        Record { gone: true, ..self }
    }

    /// By what the registration is found.
    pub fn key(&self) -> (i32, u32) {
        key(self.fd, self.target)
    }
}

fn record(i: &Item) -> Record {
    Record {
        fd: i.fd,
        target: i.target,
        events: i.events,
        data: i.data,
        seen: i.seen,
        fresh: i.fresh,
        spent: i.spent,
        gone: i.gone,
    }
}

impl Items {
    /// All items.
    pub fn records(&self) -> Vec<Record> {
        self.slots.iter().flatten().filter(|i| !i.gone).map(record).collect()
    }

    /// One item.
    pub fn record(&self, id: u32) -> Option<Record> {
        self.slots.get(id as usize)?.as_ref().map(record)
    }

    /// An item that came over exec or from another process; one that is there already becomes the same.
    pub fn restore(&mut self, r: &Record) -> u32 {
        let id = self.find(r.fd, r.target).unwrap_or_else(|| self.add(r.fd, r.target, r.events, r.data).0);
        if let Some(item) = self.slots[id as usize].as_mut() {
            (item.events, item.data) = (r.events, r.data);
            (item.seen, item.fresh, item.spent) = (r.seen, r.fresh, r.spent);
        }
        id
    }
}
