// SPDX-License-Identifier: Apache-2.0
//! What a step needs of meshgate/plugin.h, ABI 1.2, by hand: the same structs in the same order.
//!
//! `cargo test` compares sizes, offsets and numbers with the header that is installed, by way of
//! layout.c.  Left out is what bridges alone need.  Ownership, threads and results are as the
//! header's comments say; nothing in here makes them safe.
#![allow(dead_code)]

use std::os::raw::{c_char, c_int, c_void};

pub const MG_ABI_MAGIC: u32 = 0x4547_534d;
pub const MG_ABI_MAJOR: u16 = 1;
pub const MG_ABI_MINOR: u16 = 2;

#[repr(C)]
pub struct MgAbi {
    pub magic: u32,
    pub major: u16,
    pub minor: u16,
    pub module_size: u32,
    pub flags: u32,
    pub build: *const c_char,
}

/// Handles: only ever seen behind a pointer.
macro_rules! opaque {
    ($($name:ident),*) => { $(#[repr(C)] pub struct $name { _private: [u8; 0] })* };
}
opaque!(MgEvent, MgEdit, MgScope, MgTemplate, MgInstance, MgConnection, MgSource, MgShard, MgIo);
opaque!(MgSink, MgTimer, MgWake, MgMessage, MgProperty, MgHead, MgValue);
pub type MgToken = u64;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgStr {
    pub at: *const c_char,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgBytes {
    pub at: *const c_void,
    pub len: usize,
}

#[repr(C)]
pub struct MgErr {
    pub text: [c_char; 256],
    pub option: *const c_char,
}

pub const MG_OPT_TEXT: u32 = 1;
pub const MG_OPT_INT: u32 = 2;
pub const MG_OPT_BOOL: u32 = 4;
pub const MG_OPT_REQUIRED: u32 = 1;

#[repr(C)]
pub struct MgOption {
    pub name: *const c_char,
    pub value: *const c_char,
    pub doc: *const c_char,
    pub r#type: u32,
    pub flags: u32,
    pub least: i64,
    pub most: i64,
    pub choices: *const *const c_char,
    pub inside: *const MgOption,
    pub inside_size: usize,
    pub offset: usize,
}

type Free = Option<unsafe extern "C" fn(arg: *mut c_void)>;
type Callback = unsafe extern "C" fn(arg: *mut c_void);

/// The gateway fills all of it; `size` says how far that goes.
#[repr(C)]
pub struct MgHost {
    pub size: u32,
    pub event_new: unsafe extern "C" fn(*const MgMessage) -> *mut MgEvent,
    pub event_ref: unsafe extern "C" fn(*const MgEvent) -> *mut MgEvent,
    pub event_unref: unsafe extern "C" fn(*mut MgEvent),
    pub event_head: unsafe extern "C" fn(*const MgEvent) -> *const MgHead,
    pub event_payload: unsafe extern "C" fn(*const MgEvent) -> MgBytes,
    pub event_properties: unsafe extern "C" fn(*const MgEvent, *mut usize) -> *const MgProperty,
    pub event_find: unsafe extern "C" fn(*const MgEvent, MgStr, *mut MgValue) -> bool,
    pub edit_new: unsafe extern "C" fn(*const MgEvent) -> *mut MgEdit,
    pub edit_head: unsafe extern "C" fn(*mut MgEdit) -> *mut MgHead,
    pub edit_payload: unsafe extern "C" fn(*mut MgEdit, MgBytes, Free, *mut c_void) -> c_int,
    pub edit_property: unsafe extern "C" fn(*mut MgEdit, MgStr, *const MgValue) -> c_int,
    pub edit_publish: unsafe extern "C" fn(*mut MgEdit) -> *mut MgEvent,
    pub edit_free: unsafe extern "C" fn(*mut MgEdit),
    pub scope_route: unsafe extern "C" fn(*const MgScope) -> MgStr,
    pub scope_capture: unsafe extern "C" fn(*const MgScope, MgStr) -> MgStr,
    pub expand: unsafe extern "C" fn(
        *const MgTemplate,
        *const MgScope,
        *const MgEvent,
        *mut c_char,
        usize,
        *mut MgErr,
    ) -> isize,
    pub ingest:
        unsafe extern "C" fn(*mut MgConnection, *mut MgSource, *const MgMessage, u64) -> c_int,
    pub ingest_event:
        unsafe extern "C" fn(*mut MgConnection, *mut MgSource, *mut MgEvent, u64) -> c_int,
    pub settle: unsafe extern "C" fn(MgToken, u32, *const c_char),
    pub sendable: unsafe extern "C" fn(*mut MgConnection, *mut MgSink),
    pub resume: unsafe extern "C" fn(MgToken, u32, *const *mut MgEvent, usize, *const c_char),
    pub closed: unsafe extern "C" fn(*mut MgConnection),
    pub connection_shard: unsafe extern "C" fn(*mut MgConnection) -> *mut MgShard,
    pub io_watch: unsafe extern "C" fn(
        *mut MgShard,
        c_int,
        u32,
        unsafe extern "C" fn(*mut c_void, u32),
        *mut c_void,
    ) -> *mut MgIo,
    pub io_events: unsafe extern "C" fn(*mut MgIo, u32) -> c_int,
    pub io_stop: unsafe extern "C" fn(*mut MgIo),
    pub timer_start:
        unsafe extern "C" fn(*mut MgShard, u64, u64, Callback, *mut c_void) -> *mut MgTimer,
    pub timer_again: unsafe extern "C" fn(*mut MgTimer, u64, u64),
    pub timer_stop: unsafe extern "C" fn(*mut MgTimer),
    pub wake_new: unsafe extern "C" fn(*mut MgShard, Callback, *mut c_void) -> *mut MgWake,
    pub wake: unsafe extern "C" fn(*mut MgWake),
    pub wake_free: unsafe extern "C" fn(*mut MgWake),
    pub work: unsafe extern "C" fn(*mut MgShard, Callback, Callback, *mut c_void) -> c_int,
    pub now_us: unsafe extern "C" fn(*mut MgShard) -> i64,
    pub wall_us: unsafe extern "C" fn(*mut MgShard) -> i64,
    pub random: unsafe extern "C" fn(u32) -> u32,
    pub log: unsafe extern "C" fn(*mut MgInstance, u32, *const c_char, ...),
    pub count: unsafe extern "C" fn(*mut MgInstance, u32, i64),
}

#[repr(C)]
pub struct MgLife {
    pub create: unsafe extern "C" fn(
        *const MgHost,
        *mut MgInstance,
        *const c_void,
        *mut *mut c_void,
        *mut MgErr,
    ) -> c_int,
    pub start: Option<unsafe extern "C" fn(*mut c_void, *mut MgErr) -> c_int>,
    pub reload: Option<unsafe extern "C" fn(*mut c_void, *const c_void, *mut MgErr) -> c_int>,
    pub drain: Option<unsafe extern "C" fn(*mut c_void)>,
    pub stop: Option<unsafe extern "C" fn(*mut c_void)>,
    pub destroy: unsafe extern "C" fn(*mut c_void),
    pub shard_open: Option<
        unsafe extern "C" fn(*mut c_void, *mut MgShard, *mut *mut c_void, *mut MgErr) -> c_int,
    >,
    pub shard_close: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
}

pub const MG_PASS: u32 = 0;
pub const MG_REPLACE: u32 = 1;
pub const MG_DROP: u32 = 2;
pub const MG_REJECT: u32 = 3;

#[repr(C)]
pub struct MgStepCall {
    pub event: *const MgEvent,
    pub scope: *const MgScope,
    pub pending: MgToken,
}

#[repr(C)]
pub struct MgStepResult {
    pub events: *const *mut MgEvent,
    pub count: usize,
    pub err: MgErr,
}

/// As far as ABI 1.1 goes: `size` tells the gateway that the sets of 1.2 are not there.
#[repr(C)]
pub struct MgStepOps {
    pub size: u32,
    pub process: unsafe extern "C" fn(
        *mut c_void,
        *mut c_void,
        *const MgStepCall,
        *mut MgStepResult,
    ) -> u32,
}

pub const MG_FILTER: u32 = 2;
pub const MG_ENRICHER: u32 = 3;
pub const MG_TRANSLATOR: u32 = 4;

#[repr(C)]
pub struct MgModule {
    pub abi: MgAbi,
    pub kind: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub summary: *const c_char,
    pub options: *const MgOption,
    pub source_options: *const MgOption,
    pub sink_options: *const MgOption,
    pub settings_size: usize,
    pub source_settings_size: usize,
    pub sink_settings_size: usize,
    pub counters: *const *const c_char,
    pub check: Option<unsafe extern "C" fn(*const c_void, *mut MgErr) -> c_int>,
    pub life: *const MgLife,
    pub ops: *const c_void,
}

/// A constant full of pointers to constants, which is fit for every thread.
#[repr(transparent)]
pub struct Shared<T>(pub T);
unsafe impl<T> Sync for Shared<T> {}

/// A text as C has it.
#[macro_export]
macro_rules! c {
    ($text:expr) => {
        concat!($text, "\0").as_ptr() as *const std::os::raw::c_char
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write, mem, process::Command, ptr};

    /// The same lines as layout.c prints.
    macro_rules! layout {
        ($out:ident, $rust:ty, $c:literal, $($field:ident)*) => {
            let place = mem::MaybeUninit::<$rust>::uninit();
            let base = place.as_ptr();
            $({
                let at = unsafe { ptr::addr_of!((*base).$field) } as usize - base as usize;
                let name = stringify!($field).trim_start_matches("r#");
                writeln!($out, "{}.{} {}", $c, name, at).unwrap();
            })*
            writeln!($out, "{} {}", $c, mem::size_of::<$rust>()).unwrap();
        };
    }

    macro_rules! numbers {
        ($out:ident, $($name:ident)*) => {
            $(writeln!($out, "{} {}", stringify!($name), $name).unwrap();)*
        };
    }

    fn ours() -> String {
        let mut out = String::new();
        layout!(out, MgAbi, "mg_abi", magic major minor module_size flags build);
        layout!(out, MgStr, "mg_str", at len);
        layout!(out, MgBytes, "mg_bytes", at len);
        layout!(out, MgErr, "mg_err", text option);
        layout!(out, MgOption, "mg_option", name value doc r#type flags least most choices inside
            inside_size offset);
        layout!(out, MgLife, "mg_life", create start reload drain stop destroy shard_open
            shard_close);
        layout!(out, MgStepCall, "mg_step_call", event scope pending);
        layout!(out, MgStepResult, "mg_step_result", events count err);
        // Of these a beginning is enough, since they carry their size and may have grown since.
        let mut begun = String::new();
        layout!(begun, MgModule, "mg_module", abi kind name version summary options source_options
            sink_options settings_size source_settings_size sink_settings_size counters check life
            ops);
        layout!(begun, MgHost, "mg_host", size event_new event_ref event_unref event_head
            event_payload event_properties event_find edit_new edit_head edit_payload
            edit_property edit_publish edit_free scope_route scope_capture expand ingest
            ingest_event settle sendable resume closed connection_shard io_watch io_events io_stop
            timer_start timer_again timer_stop wake_new wake wake_free work now_us wall_us random
            log count);
        layout!(begun, MgStepOps, "mg_step_ops", size process);
        out.extend(begun.lines().filter(|l| l.contains('.')).map(|l| format!("{}\n", l)));
        numbers!(out, MG_ABI_MAGIC MG_ABI_MAJOR MG_OPT_TEXT MG_OPT_INT MG_OPT_BOOL
            MG_OPT_REQUIRED MG_PASS MG_REPLACE MG_DROP MG_REJECT MG_FILTER MG_ENRICHER
            MG_TRANSLATOR);
        out
    }

    #[test]
    fn it_is_as_the_header_says() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let program = format!("{}/layout-{}", std::env::temp_dir().display(), std::process::id());
        let script = "cc -Wall -Werror $(pkg-config --cflags meshgate-plugin) -o \"$2\" \"$1/layout.c\" \
                      && \"$2\"; code=$?; rm -f \"$2\"; exit $code";
        let done = Command::new("sh")
            .args(["-c", script, "sh", folder, &program])
            .output()
            .expect("sh");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout), ours());
    }
}
