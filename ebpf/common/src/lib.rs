//! Plain data shared by the two sides of the charter's kernel probe.
//!
//! The probe has a kernel side, eBPF programs with a toolchain of their own, and a user side, the loader inside the
//! node. Both must agree byte for byte on what stands in maps and ring buffers. Those types will live here: the keys
//! and values of the metric whitelist and of the allow-list of connections, and the events that report a refusal.
//!
//! Nothing of it exists yet: this version enforces nothing in the kernel, and no type is declared before
//! a program reads it. The crate holds the place, so that both sides find one definition when they come.
//!
//! Rules for what comes: `#[repr(C)]`, fixed sizes, no padding left to the compiler, no pointers, no `std`.
#![no_std]
