//! Whether the dynamic loader would preload anything into an executable.

use std::fs::File;
use std::path::Path;

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadCache, ReadRef};

/// What stands in the way.
#[derive(Debug, PartialEq, Eq)]
pub enum Obstacle {
    Static,
    OtherArchitecture(String),
    OtherLibc(String),
    /// Loads the library, but makes its system calls past libc.
    Go,
}

impl Obstacle {
    pub fn reason(&self) -> String {
        match self {
            Self::Static => "is statically linked, so nothing can be preloaded into it".into(),
            Self::OtherArchitecture(what) => format!("is built for {what}, the library for {}", std::env::consts::ARCH),
            Self::OtherLibc(loader) => format!("is loaded by {loader}, the library needs glibc"),
            Self::Go => "is a Go program, which makes its own system calls: its sockets are not seen".into(),
        }
    }
}

/// Looks at an ELF file. A file that is no sound ELF file gives an error, for the kernel will not run it either.
pub fn obstacle(path: &Path) -> Result<Option<Obstacle>, String> {
    let file = File::open(path).map_err(|error| crate::failure::reason(&error))?;
    // Reads only what is asked for: executables of a hundred megabytes are common.
    let data = ReadCache::new(file);
    let broken = |error: object::Error| format!("is a damaged ELF file: {error}");
    match FileKind::parse(&data).map_err(broken)? {
        FileKind::Elf32 => {
            let machine = machine::<FileHeader32<Endianness>, _>(&data).map_err(broken)?;
            Ok(Some(Obstacle::OtherArchitecture(format!("{} (32-bit)", machine_name(machine)))))
        }
        FileKind::Elf64 => look(path, &data).map_err(broken),
        _ => Err("is not an ELF file".into()),
    }
}

fn machine<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> object::Result<u16> {
    let header = H::parse(data)?;
    Ok(header.e_machine(header.endian()?))
}

fn look<'data, R: ReadRef<'data>>(path: &Path, data: R) -> object::Result<Option<Obstacle>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let machine = header.e_machine(endian);
    if native_machine().is_some_and(|native| native != machine) {
        return Ok(Some(Obstacle::OtherArchitecture(machine_name(machine))));
    }
    let mut interpreter = None;
    let mut dynamic = false;
    for segment in header.program_headers(endian, data)? {
        dynamic |= segment.p_type(endian) == elf::PT_DYNAMIC;
        if let Some(found) = segment.interpreter(endian, data)? {
            interpreter = Some(String::from_utf8_lossy(found).into_owned());
        }
    }
    // A loader that is started by hand (`ld-linux-x86-64.so.2 ./program`) has no interpreter and preloads all the same.
    let is_loader = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-linux"));
    match interpreter {
        Some(loader) if loader.contains("musl") => return Ok(Some(Obstacle::OtherLibc(loader))),
        Some(_) if dynamic => {}
        None if dynamic && path.canonicalize().is_ok_and(|real| is_loader(&real)) => return Ok(None),
        _ => return Ok(Some(Obstacle::Static)),
    }
    let sections = header.sections(endian, data)?;
    let go = [&b".note.go.buildid"[..], b".gopclntab"];
    if go.iter().any(|name| sections.section_by_name(endian, name).is_some()) {
        return Ok(Some(Obstacle::Go));
    }
    Ok(None)
}

/// The machine that the library is built for, that is, this command's own.
fn native_machine() -> Option<u16> {
    match std::env::consts::ARCH {
        "x86_64" => Some(elf::EM_X86_64),
        "aarch64" => Some(elf::EM_AARCH64),
        "riscv64" => Some(elf::EM_RISCV),
        "powerpc64" => Some(elf::EM_PPC64),
        "s390x" => Some(elf::EM_S390),
        _ => None,
    }
}

fn machine_name(machine: u16) -> String {
    match machine {
        elf::EM_386 => "x86".into(),
        elf::EM_X86_64 => "x86_64".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_RISCV => "riscv".into(),
        elf::EM_PPC64 => "powerpc64".into(),
        elf::EM_S390 => "s390".into(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_itself_can_be_preloaded() {
        assert_eq!(obstacle(&std::env::current_exe().unwrap()), Ok(None));
    }

    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Option<Obstacle>, String> {
        let mut bytes = std::fs::read("/proc/self/exe").unwrap();
        change(&mut bytes);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        obstacle(file.path())
    }

    /// Puts other bytes in the place of the first occurrence of `old`, of the same length.
    fn patch(bytes: &mut [u8], old: &[u8], new: &[u8]) {
        assert_eq!(old.len(), new.len());
        let at = bytes.windows(old.len()).position(|w| w == old).expect("pattern not in this executable");
        bytes[at..at + new.len()].copy_from_slice(new);
    }

    #[test]
    fn another_machine_is_told_by_name() {
        // e_machine stands at byte 18 of the ELF header (man 5 elf); 183 is aarch64, 8 is MIPS.
        let other = if cfg!(target_arch = "aarch64") { (8u16, "machine 8") } else { (183, "aarch64") };
        let found = changed(|bytes| bytes[18..20].copy_from_slice(&other.0.to_ne_bytes()));
        assert_eq!(found, Ok(Some(Obstacle::OtherArchitecture(other.1.into()))));
    }

    #[test]
    fn an_executable_without_an_interpreter_is_static() {
        // Program headers start at e_phoff (byte 32), 56 bytes each, p_type first; 3 is PT_INTERP, 0 PT_NULL.
        let found = changed(|bytes| {
            let start = usize::try_from(u64::from_ne_bytes(bytes[32..40].try_into().unwrap())).unwrap();
            let count = usize::from(u16::from_ne_bytes(bytes[56..58].try_into().unwrap()));
            for header in bytes[start..].chunks_mut(56).take(count) {
                if header[..4] == 3u32.to_ne_bytes() {
                    header[..4].copy_from_slice(&0u32.to_ne_bytes());
                }
            }
        });
        assert_eq!(found, Ok(Some(Obstacle::Static)));
    }

    #[test]
    fn a_musl_loader_is_another_libc() {
        let found = changed(|bytes| patch(bytes, b"/ld-linux", b"/ld-musl-"));
        assert!(matches!(found, Ok(Some(Obstacle::OtherLibc(loader))) if loader.contains("/ld-musl-")));
    }

    #[test]
    fn go_is_recognised_by_its_sections() {
        // Renames a section that every dynamically linked executable has, in the string table at the end of the file.
        let found = changed(|bytes| {
            let old = b".gnu.hash\0.";
            let at = bytes.windows(old.len()).rposition(|w| w == old).expect("no .gnu.hash section");
            // ".gopclntab" is one byte longer than ".gnu.hash": it takes the NUL and the next name's dot, the NUL
            // after it ends the name.
            bytes[at..at + 11].copy_from_slice(b".gopclntab\0");
        });
        assert_eq!(found, Ok(Some(Obstacle::Go)));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        assert!(changed(|bytes| bytes.truncate(40)).is_err());
    }
}
