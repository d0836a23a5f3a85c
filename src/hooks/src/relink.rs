//! The symbols that a loaded module got from the loader, and others in their place (elf(5), the x86-64 psABI).

use core::ffi::{c_int, c_void, CStr};

use libc::{dl_phdr_info, Elf64_Phdr, Elf64_Rela, Elf64_Sym, PROT_READ, PROT_WRITE};

const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;
const PT_GNU_RELRO: u32 = 0x6474_e552;
/// Relocations that are the address of a symbol: in data, in the table of addresses, in the table of jumps.
const R_X86_64_64: u32 = 1;
const R_X86_64_GLOB_DAT: u32 = 6;
const R_X86_64_JUMP_SLOT: u32 = 7;
const PAGE: usize = 4096;

/// Elf64_Dyn.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

/// A module in memory.
#[derive(PartialEq)]
pub struct Module {
    base: usize,
    headers: *const Elf64_Phdr,
    count: usize,
}

/// All modules that are loaded now.
pub fn loaded() -> Vec<Module> {
    unsafe extern "C" fn each(info: *mut dl_phdr_info, _size: usize, list: *mut c_void) -> c_int {
        let info = &*info;
        let module = Module { base: info.dlpi_addr as usize, headers: info.dlpi_phdr, count: info.dlpi_phnum as usize };
        (*list.cast::<Vec<Module>>()).push(module);
        0
    }
    let mut list = Vec::new();
    // SAFETY: the callback gets the list that it expects, and nobody else has it.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut list).cast()) };
    list
}

/// Puts what `other` knows into each place for a symbol that the module takes from elsewhere.
///
/// # Safety
/// The module stays loaded meanwhile, and what `other` gives is of the symbol's type.
pub unsafe fn exchange(module: &Module, other: impl Fn(&CStr) -> Option<*mut c_void>) {
    let headers = core::slice::from_raw_parts(module.headers, module.count);
    let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return };
    // glibc has turned the addresses in this table into those of the memory.
    let table = |tag: i64| value(module.base + dynamic.p_vaddr as usize, tag);
    let (symbols, strings) = (table(DT_SYMTAB), table(DT_STRTAB));
    if symbols == 0 || strings == 0 {
        return;
    }
    let mut found = Vec::new();
    for (place, size) in [(table(DT_RELA), table(DT_RELASZ)), (table(DT_JMPREL), table(DT_PLTRELSZ))] {
        if place == 0 {
            continue;
        }
        for entry in core::slice::from_raw_parts(place as *const Elf64_Rela, size / size_of::<Elf64_Rela>()) {
            let kind = entry.r_info as u32;
            let symbol = &*(symbols as *const Elf64_Sym).add((entry.r_info >> 32) as usize);
            let whole = matches!(kind, R_X86_64_64 | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT) && entry.r_addend == 0;
            if !whole || symbol.st_name == 0 || symbol.st_shndx != 0 {
                continue;
            }
            if let Some(address) = other(CStr::from_ptr((strings + symbol.st_name as usize) as *const _)) {
                found.push((module.base + entry.r_offset as usize, address));
            }
        }
    }
    write(module, headers, &found);
}

/// The value of a tag in the dynamic section; 0 if it has none.
unsafe fn value(section: usize, tag: i64) -> usize {
    let mut entry = section as *const Dynamic;
    while (*entry).tag != 0 {
        if (*entry).tag == tag {
            return (*entry).value;
        }
        entry = entry.add(1);
    }
    0
}

/// What the loader made read-only after its work (RELRO) is so afterwards, too.
unsafe fn write(module: &Module, headers: &[Elf64_Phdr], found: &[(usize, *mut c_void)]) {
    let (mut from, mut to) = (0, 0);
    if let Some(header) = headers.iter().find(|header| header.p_type == PT_GNU_RELRO) {
        let start = module.base + header.p_vaddr as usize;
        (from, to) = (start & !(PAGE - 1), (start + header.p_memsz as usize) & !(PAGE - 1));
    }
    let closed = found.iter().any(|(place, _)| (from..to).contains(place));
    if closed && libc::mprotect(from as *mut c_void, to - from, PROT_READ | PROT_WRITE) != 0 {
        log::warn!("a module with RTLD_DEEPBIND cannot be changed; its sockets are the kernel's");
        return;
    }
    for &(place, address) in found {
        (place as *mut *mut c_void).write(address);
    }
    if closed {
        libc::mprotect(from as *mut c_void, to - from, PROT_READ);
    }
}
