//! Families and their protocol switches: rows of data, and the walk over them that socket(2) makes.

use super::SocketOps;
use crate::abi::{Errno, Result};

/// One more than the largest family (AF_MAX).
pub const AF_MAX: i32 = 46;
/// One more than the largest type (SOCK_MAX).
pub const SOCK_MAX: i32 = 11;
/// A protocol of IPPROTO_MAX or above is invalid.
const PROTOCOL_MAX: i32 = 263;

/// A row that is never overridden (INET_PROTOSW_PERMANENT).
pub const PERMANENT: u32 = 1;

/// One row of a protocol switch.
#[derive(Clone, Copy)]
pub struct Row {
    /// SOCK_STREAM, SOCK_DGRAM, …
    pub kind: i32,
    /// The protocol; 0 is the wildcard that takes any.
    pub protocol: i32,
    /// What answers for the socket.
    pub ops: &'static dyn SocketOps,
    /// [`PERMANENT`] or 0.
    pub flags: u32,
}

/// A family: its number and its rows, in the order in which they are tried.
pub struct Family {
    number: i32,
    rows: Vec<Row>,
}

/// Why a registration was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The family is there already, or is none.
    Family,
    /// A permanent row holds this type and protocol.
    Permanent,
    /// No such family, type or row.
    Unknown,
}

/// The families.
#[derive(Default)]
pub struct Families {
    list: Vec<Family>,
}

impl Families {
    /// No families yet.
    pub const fn new() -> Families {
        Families { list: Vec::new() }
    }

    /// Registers a family under its number, once.
    pub fn register_family(&mut self, number: i32) -> core::result::Result<(), Refused> {
        if !(0..AF_MAX).contains(&number) || self.list.iter().any(|f| f.number == number) {
            return Err(Refused::Family);
        }
        self.list.push(Family { number, rows: Vec::new() });
        Ok(())
    }

    /// Registers a row. It goes right after the last permanent row of its type, before older ones and the wildcard.
    pub fn register(&mut self, family: i32, row: Row) -> core::result::Result<(), Refused> {
        if !(0..SOCK_MAX).contains(&row.kind) {
            return Err(Refused::Unknown);
        }
        let rows = &mut self.list.iter_mut().find(|f| f.number == family).ok_or(Refused::Unknown)?.rows;
        let permanent = |r: &Row| r.kind == row.kind && r.flags & PERMANENT != 0;
        if rows.iter().any(|r| permanent(r) && r.protocol == row.protocol) {
            log::error!("protocol {} of family {family} is permanent and stays as it is", row.protocol);
            return Err(Refused::Permanent);
        }
        let first = rows.iter().position(|r| r.kind == row.kind).unwrap_or(rows.len());
        let at = rows.iter().rposition(permanent).map_or(first, |i| i + 1);
        rows.insert(at, row);
        Ok(())
    }

    /// Removes the first row of this type and protocol that is not permanent.
    pub fn unregister(&mut self, family: i32, kind: i32, protocol: i32) -> core::result::Result<(), Refused> {
        let rows = &mut self.list.iter_mut().find(|f| f.number == family).ok_or(Refused::Unknown)?.rows;
        let same = |r: &Row| r.kind == kind && r.protocol == protocol;
        match rows.iter().position(|r| same(r) && r.flags & PERMANENT == 0) {
            Some(at) => {
                rows.remove(at);
                Ok(())
            }
            None if rows.iter().any(same) => Err(Refused::Permanent),
            None => Err(Refused::Unknown),
        }
    }

    /// Is the family one of ours?
    pub fn has(&self, family: i32) -> bool {
        self.list.iter().any(|f| f.number == family)
    }

    /// The row for a socket of this family, type and protocol, with the protocol that it gets (inet_create).
    ///
    /// Errors: EAFNOSUPPORT, EINVAL, ESOCKTNOSUPPORT, EPROTONOSUPPORT.
    pub fn find(&self, family: i32, kind: i32, protocol: i32) -> Result<(Row, i32)> {
        if !(0..AF_MAX).contains(&family) {
            return Err(Errno::EAFNOSUPPORT);
        }
        if !(0..SOCK_MAX).contains(&kind) {
            return Err(Errno::EINVAL);
        }
        let family = self.list.iter().find(|f| f.number == family).ok_or(Errno::EAFNOSUPPORT)?;
        if !(0..PROTOCOL_MAX).contains(&protocol) {
            return Err(Errno::EINVAL);
        }
        let mut seen = false;
        for row in family.rows.iter().filter(|r| r.kind == kind) {
            seen = true;
            if protocol == row.protocol && protocol != 0 {
                return Ok((*row, protocol));
            }
            if protocol == 0 && row.protocol != 0 {
                return Ok((*row, row.protocol));
            }
            if row.protocol == 0 {
                return Ok((*row, protocol));
            }
        }
        Err(if seen { Errno::EPROTONOSUPPORT } else { Errno::ESOCKTNOSUPPORT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);
    impl SocketOps for Named {
        fn name(&self) -> &'static str {
            self.0
        }
    }
    static TCP: Named = Named("tcp");
    static UDP: Named = Named("udp");
    static ICMP: Named = Named("icmp");
    static RAW: Named = Named("raw");
    static NEW: Named = Named("new");

    fn row(kind: i32, protocol: i32, ops: &'static Named, flags: u32) -> Row {
        Row { kind, protocol, ops, flags }
    }

    fn inet() -> Families {
        let mut families = Families::new();
        families.register_family(2).unwrap();
        families.register(2, row(1, 6, &TCP, PERMANENT)).unwrap();
        families.register(2, row(2, 17, &UDP, PERMANENT)).unwrap();
        families.register(2, row(2, 1, &ICMP, 0)).unwrap();
        families.register(2, row(3, 0, &RAW, 0)).unwrap();
        families
    }

    fn found(families: &Families, kind: i32, protocol: i32) -> Result<(&'static str, i32)> {
        families.find(2, kind, protocol).map(|(row, protocol)| (row.ops.name(), protocol))
    }

    #[test]
    fn zero_takes_the_first_row_and_its_protocol() {
        assert_eq!(found(&inet(), 1, 0), Ok(("tcp", 6)));
        assert_eq!(found(&inet(), 2, 0), Ok(("udp", 17)));
    }

    #[test]
    fn a_wildcard_keeps_the_protocol_asked_for() {
        assert_eq!(found(&inet(), 3, 89), Ok(("raw", 89)));
        assert_eq!(found(&inet(), 3, 0), Ok(("raw", 0)));
    }

    #[test]
    fn what_does_not_match_is_refused_with_the_kernels_errno() {
        let families = inet();
        assert_eq!(found(&families, 1, 17), Err(Errno::EPROTONOSUPPORT));
        assert_eq!(found(&families, 5, 0), Err(Errno::ESOCKTNOSUPPORT));
        assert_eq!(found(&families, 11, 0), Err(Errno::EINVAL));
        assert_eq!(found(&families, 1, -1), Err(Errno::EINVAL));
        assert_eq!(found(&families, 1, 300), Err(Errno::EINVAL));
        assert_eq!(families.find(46, 1, 0).err(), Some(Errno::EAFNOSUPPORT));
        assert_eq!(families.find(-1, 1, 0).err(), Some(Errno::EAFNOSUPPORT));
        assert_eq!(families.find(3, 1, 0).err(), Some(Errno::EAFNOSUPPORT));
    }

    #[test]
    fn a_family_registers_once() {
        let mut families = inet();
        assert_eq!(families.register_family(2), Err(Refused::Family));
        assert_eq!(families.register_family(46), Err(Refused::Family));
    }

    #[test]
    fn a_permanent_row_is_not_overridden() {
        let mut families = inet();
        assert_eq!(families.register(2, row(1, 6, &NEW, 0)), Err(Refused::Permanent));
        assert_eq!(families.unregister(2, 1, 6), Err(Refused::Permanent));
        assert_eq!(found(&families, 1, 6), Ok(("tcp", 6)));
    }

    #[test]
    fn a_new_row_comes_before_older_ones_and_goes_again() {
        let mut families = inet();
        families.register(2, row(2, 1, &NEW, 0)).unwrap();
        assert_eq!(found(&families, 2, 1), Ok(("new", 1)));
        assert_eq!(found(&families, 2, 0), Ok(("udp", 17)));
        families.unregister(2, 2, 1).unwrap();
        assert_eq!(found(&families, 2, 1), Ok(("icmp", 1)));
        families.register(2, row(3, 89, &NEW, 0)).unwrap();
        assert_eq!(found(&families, 3, 89), Ok(("new", 89)));
        families.unregister(2, 3, 89).unwrap();
        assert_eq!(found(&families, 3, 89), Ok(("raw", 89)));
        assert_eq!(families.unregister(2, 3, 89), Err(Refused::Unknown));
    }
}
