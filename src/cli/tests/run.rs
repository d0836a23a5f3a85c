//! `sockhop run` as its user sees it.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use common::{refusal, soon, stdout, Place};

#[test]
fn the_program_runs_with_the_library_and_its_settings() {
    let place = Place::new();
    let script =
        "echo $LD_PRELOAD; echo $SOCKHOP_DIR; echo $SOCKHOP_NET; echo ${SOCKHOP_ISOLATED-unset}; echo $0 \"$@\"";
    let run = place.sockhop(["run", "--", "sh", "-c", script, "a", "--net", "x y"]).output().unwrap();
    let expected =
        format!("{}\n{}\ndefault\nunset\na --net x y\n", place.path("libsockhop.so").display(), place.base().display());
    assert_eq!(stdout(&run), expected);
    assert_eq!(run.status.code(), Some(0));
    for directory in [place.base(), place.base().join("default")] {
        assert_eq!(fs::metadata(directory).unwrap().mode() & 0o7777, 0o700);
    }
}

#[test]
fn the_loader_really_loads_it() {
    let place = Place::new();
    let run = place.sockhop(["run", "true"]).env("STAND_IN_SAYS", "1").output().unwrap();
    assert_eq!(String::from_utf8(run.stderr).unwrap(), "loaded\n");
}

#[test]
fn what_was_preloaded_stays_behind_the_library() {
    let place = Place::new();
    let source = place.file("other.c", "int nothing;\n", 0o644);
    let other = place.gcc(&["-shared", "-fPIC"], &source, "other.so");
    let run = place.sockhop(["run", "sh", "-c", "echo $LD_PRELOAD"]).env("LD_PRELOAD", &other).output().unwrap();
    let library = place.path("libsockhop.so");
    assert_eq!(stdout(&run), format!("{}:{}\n", library.display(), other.display()));
}

#[test]
fn options_decide_the_network() {
    let place = Place::new();
    let show = ["sh", "-c", "echo $SOCKHOP_NET ${SOCKHOP_ISOLATED-unset}"];
    let run = |options: &[&str]| {
        let args = ["run"].iter().chain(options).chain(&["--"]).chain(&show);
        stdout(&place.sockhop(args).env("SOCKHOP_NET", "outer").output().unwrap())
    };
    assert_eq!(run(&[]), "outer unset\n");
    assert_eq!(run(&["--net", "blue"]), "blue unset\n");
    assert_eq!(run(&["--net=blue", "--isolated"]), "blue 1\n");
    assert!(run(&["--fresh"]).starts_with("fresh-"));
    assert!(place.base().join("blue").is_dir() && place.base().join("outer").is_dir());
}

#[test]
fn status_and_signals_are_the_programs() {
    let place = Place::new();
    for status in [0, 1, 42, 127] {
        let run = place.sockhop(["run", "sh", "-c", &format!("exit {status}")]).status().unwrap();
        assert_eq!(run.code(), Some(status));
    }
    let killed = place.sockhop(["run", "sh", "-c", "kill -TERM $$"]).status().unwrap();
    assert_eq!(killed.signal(), Some(15));
    // The same process: a signal to it reaches the program.
    let mut child = place.sockhop(["run", "sleep", "60"]).spawn().unwrap();
    let name = format!("/proc/{}/comm", child.id());
    soon("the program runs", || fs::read_to_string(&name).is_ok_and(|comm| comm == "sleep\n"));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn signal_dispositions_and_closed_descriptors_reach_the_program_unchanged() {
    let place = Place::new();
    // Signals 32 and up are left out: glibc's posix_spawn itself sets two of them to be ignored, now and then.
    let show = "ign=$(sed -n 's/^SigIgn:.//p' /proc/$$/status); echo $((0x$ign & 0x7fffffff)); ls /proc/$$/fd";
    let program = ["sh", "-c", show];
    for before in ["", "trap '' PIPE; ", "trap '' CHLD; ", "exec <&-; "] {
        let shell = format!("{before}exec \"$@\"");
        let native = Command::new("sh").args(["-c", &shell, "sh"]).args(program).output().unwrap();
        let command = place.sockhop(["run", "--fresh", "--"]);
        let mut under = Command::new("sh");
        under.args(["-c", &shell, "sh"]).arg(command.get_program()).args(command.get_args()).args(program);
        under.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let under = under.output().unwrap();
        assert_eq!(stdout(&under), stdout(&native), "after {before:?}: {}", String::from_utf8_lossy(&under.stderr));
    }
}

#[test]
fn a_program_is_looked_up_as_by_a_shell() {
    let place = Place::new();
    let plain = place.file("plain", "x", 0o644);
    let script = place.file("script", "echo no first line, $1\n", 0o755);
    let missing = place.sockhop(["run", "--", "no-such-program-anywhere"]).output().unwrap();
    assert!(refusal(&missing, 127).contains("no-such-program-anywhere: command not found"));
    let missing = place.sockhop(["run", "--", "./no/such/path"]).output().unwrap();
    assert!(refusal(&missing, 127).contains("./no/such/path"));
    let forbidden = place.sockhop([&"run".into(), &plain]).output().unwrap();
    assert!(refusal(&forbidden, 126).contains("Permission denied"));
    let directory = place.sockhop(["run", "/"]).output().unwrap();
    assert!(refusal(&directory, 126).contains("is a directory"));
    let shell = place.sockhop(["run".into(), script, "really".into()]).output().unwrap();
    assert_eq!(stdout(&shell), "no first line, really\n");
}

#[test]
fn bad_settings_are_refused_before_the_program_runs() {
    let place = Place::new();
    for (name, value, why) in [
        ("SOCKHOP_SPIN_US", "soon", "0 to 1000000"),
        ("SOCKHOP_TRANSPORT", "pigeon", "ring or plain"),
        ("SOCKHOP_LOG", "sockhop=loud", "loud"),
        ("SOCKHOP_LOG_FILE", "/no/such/place/log", "No such file"),
        ("SOCKHOP_NET", "a/b", "slash"),
        ("SOCKHOP_NET", "", "empty"),
        ("SOCKHOP_DIR", "/no/such/place", "cannot make this directory"),
        ("SOCKHOP_ISOLATED", "yes", "0 or 1"),
        ("SOCKHOP_KEEP_ENV", "yes", "0 or 1"),
        ("SOCKHOP_IO_URING", "yes", "0 or 1"),
        ("SOCKHOP_LIB", "/no/such/libsockhop.so", "No such file"),
        ("SOCKHOP_TYPO", "1", "no setting of this name"),
    ] {
        let run = place.sockhop(["run", "echo", "ran"]).env(name, value).output().unwrap();
        let text = refusal(&run, 1);
        assert!(text.contains(&format!("{name}: ")) && text.contains(why), "{text}");
    }
    let name = "n".repeat(65);
    let run = place.sockhop(["run", "--net", &name, "echo", "ran"]).output().unwrap();
    assert!(refusal(&run, 1).contains("at most 64"));
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let place = Place::new();
    fs::create_dir(place.base()).unwrap();
    fs::set_permissions(place.base(), fs::Permissions::from_mode(0o711)).unwrap();
    let run = place.sockhop(["run", "echo", "ran"]).output().unwrap();
    assert!(refusal(&run, 1).contains("SOCKHOP_DIR: "));
    assert!(refusal(&run, 1).contains("mode 0711"));
    fs::set_permissions(place.base(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(place.base().join("blue")).unwrap();
    fs::set_permissions(place.base().join("blue"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = place.sockhop(["run", "--net", "blue", "echo", "ran"]).output().unwrap();
    assert!(refusal(&run, 1).contains("mode 0755"));
}

#[test]
fn a_static_program_is_refused_and_can_be_forced() {
    let place = Place::new();
    let source = place.file("p.c", "#include <stdio.h>\nint main(void) { puts(\"ran\"); return 7; }\n", 0o644);
    let program = place.gcc(&["-static"], &source, "static");
    let pie = place.gcc(&["-static-pie"], &source, "static-pie");
    for program in [&program, &pie] {
        let run = place.sockhop([&"run".into(), program]).output().unwrap();
        assert!(refusal(&run, 1).contains("statically linked"));
    }
    let run = place.sockhop([&"run".into(), &"--force".into(), &program]).output().unwrap();
    assert_eq!((stdout(&run).as_str(), run.status.code()), ("ran\n", Some(7)));
    assert!(String::from_utf8(run.stderr).unwrap().starts_with("sockhop: warning: "));

    // A script stands and falls with its interpreter.
    let script = place.file("script", &format!("#!{}\n", program.display()), 0o755);
    let run = place.sockhop(["run".into(), script]).output().unwrap();
    assert!(refusal(&run, 1).contains("its interpreter"));
    let script = place.file("env-script", "#!/usr/bin/env static\n", 0o755);
    let path = std::env::join_paths([place.path(""), "/usr/bin".into(), "/bin".into()]).unwrap();
    let run = place.sockhop(["run".into(), script]).env("PATH", path).output().unwrap();
    assert!(refusal(&run, 1).contains("statically linked"));
}

#[test]
fn scripts_run_and_endless_ones_are_refused() {
    let place = Place::new();
    let good = place.file("good", "#!/usr/bin/env sh\necho $LD_PRELOAD\n", 0o755);
    let run = place.sockhop(["run".into(), good]).output().unwrap();
    assert_eq!(stdout(&run), format!("{}\n", place.path("libsockhop.so").display()));
    let endless = place.path("endless");
    place.file("endless", &format!("#!{}\n", endless.display()), 0o755);
    refusal(&place.sockhop(["run".into(), endless]).output().unwrap(), 126);
    let lost = place.file("lost", "#!/no/such/interpreter\n", 0o755);
    refusal(&place.sockhop(["run".into(), lost]).output().unwrap(), 127);
}

#[test]
fn a_go_program_is_refused_and_told_of_when_forced() {
    let place = Place::new();
    let source = place.file(
        "go.c",
        "#include <stdio.h>\n\
         __attribute__((section(\".note.go.buildid\"), used)) static const char mark[] = \"x\";\n\
         int main(void) { puts(\"ran\"); return 0; }\n",
        0o644,
    );
    let program = place.gcc(&[], &source, "go");
    let run = place.sockhop([&"run".into(), &program]).output().unwrap();
    assert!(refusal(&run, 1).contains("sockets are not seen"));
    let run = place.sockhop(["run".into(), "--force".into(), program]).output().unwrap();
    assert_eq!(stdout(&run), "ran\n");
    assert_eq!(String::from_utf8(run.stderr).unwrap().lines().count(), 1);
}

#[test]
fn setuid_programs_are_refused() {
    let place = Place::new();
    let copy = place.path("copy");
    fs::copy("/bin/true", &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    // Setuid to oneself gains nothing and runs.
    let run = place.sockhop([&"run".into(), &copy]).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    // Only root can give a file away; everybody else has setuid programs of root's on the machine.
    let foreign = if std::os::unix::fs::chown(&copy, Some(4242), None).is_ok() {
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
        copy
    } else {
        let places = ["/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/sudo"];
        places.iter().map(std::path::PathBuf::from).find(|p| p.exists()).expect("no setuid program to try")
    };
    assert!(refusal(&place.sockhop(["run".into(), foreign]).output().unwrap(), 1).contains("is setuid"));
}

#[test]
fn a_fresh_network_is_gone_after_the_last_of_its_programs() {
    let place = Place::new();
    let networks = || fs::read_dir(place.base()).map(|d| d.count()).unwrap_or(0);
    // The program ends at once and leaves a child, which ends when its standard input does.
    let mut run = place
        .sockhop(["run", "--fresh", "sh", "-c", "echo $SOCKHOP_NET; cat <&3 >/dev/null 2>&1 & exit 5"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn_with_stdin_as_3();
    let held = run.stdin.take();
    assert_eq!(run.wait().unwrap().code(), Some(5));
    // Several scans of the janitor later it is still there.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(networks(), 1, "the network went while a program was in it");
    drop(held);
    soon("the fresh network is gone", || networks() == 0);
}

#[test]
fn a_fresh_network_goes_with_what_is_in_it_also_after_a_failed_start() {
    let place = Place::new();
    let networks = || fs::read_dir(place.base()).unwrap().count();
    let make = "mkdir -p $SOCKHOP_DIR/$SOCKHOP_NET/deep/er; : >$SOCKHOP_DIR/$SOCKHOP_NET/deep/file; kill -9 $$";
    let run = place.sockhop(["run", "--fresh", "sh", "-c", make]).status().unwrap();
    assert_eq!(run.signal(), Some(9));
    soon("the fresh network is gone", || networks() == 0);

    // Looks sound, but is none that the kernel could start: its loader does not exist.
    let source = place.file("p.c", "int main(void) { return 0; }\n", 0o644);
    let program = place.gcc(&["-Wl,--dynamic-linker=/no/such/loader"], &source, "lost");
    let run = place.sockhop(["run".into(), "--fresh".into(), program]).output().unwrap();
    refusal(&run, 127);
    soon("the fresh network is gone", || networks() == 0);
}

#[test]
fn the_program_has_no_child_and_lends_no_descriptor() {
    let place = Place::new();
    // `wait` for a child that it never started would find the janitor; the pipe would stay open in the janitor's hands
    // for as long as the background process, which is in the network but does not hold the pipe, lives.
    let script = "cat /proc/$$/task/$$/children; sleep 2 >/dev/null 2>&1 & echo started";
    let start = std::time::Instant::now();
    let run = place.sockhop(["run", "--fresh", "sh", "-c", script]).output().unwrap();
    assert!(start.elapsed() < std::time::Duration::from_millis(1500), "somebody kept the pipe open");
    let text = stdout(&run);
    // The one child is the `cat` that asks.
    assert_eq!(text.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).count(), 1, "{text}");
    assert!(text.ends_with("started\n"));
}

#[test]
fn a_subreaper_does_not_inherit_the_janitor() {
    let place = Place::new();
    let source = place.file(
        "reaper.c",
        "#include <sys/prctl.h>\n#include <unistd.h>\n\
         int main(int c, char **v) { (void)c; prctl(PR_SET_CHILD_SUBREAPER, 1); return execv(v[1], v + 1); }\n",
        0o644,
    );
    let reaper = place.gcc(&[], &source, "reaper");
    let asker = place.file(
        "asker.c",
        "#include <stdio.h>\n#include <sys/prctl.h>\n#include <sys/wait.h>\n\
         int main(void) { int r = 0; prctl(PR_GET_CHILD_SUBREAPER, &r);\n\
         printf(\"subreaper %d, children %s\\n\", r, wait(0) < 0 ? \"none\" : \"some\"); return 0; }\n",
        0o644,
    );
    let asker = place.gcc(&[], &asker, "asker");
    let command = place.sockhop(["run".into(), "--fresh".into(), asker]);
    let mut under = Command::new(reaper);
    under.arg(command.get_program()).args(command.get_args());
    under.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(stdout(&under.output().unwrap()), "subreaper 1, children none\n");
}

#[test]
fn help_has_examples_for_each_verb() {
    let place = Place::new();
    for (args, example) in [
        (vec!["--help"], "sockhop run -- ./server 8080"),
        (vec!["run", "--help"], "sockhop run --fresh -- cargo test"),
        (vec!["ls", "--help"], "sockhop ls --json | jq"),
    ] {
        let text = stdout(&place.sockhop(args).output().unwrap());
        assert!(text.contains("Examples:") && text.contains(example), "{text}");
    }
    let version = stdout(&place.sockhop(["--version"]).output().unwrap());
    assert_eq!(version, format!("sockhop {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(place.sockhop(["run", "--net", "a", "--fresh", "true"]).output().unwrap().status.code(), Some(2));
}

trait SpawnWithStdinAs3 {
    /// A shell gives its background processes /dev/null as standard input, so the pipe goes by another number.
    fn spawn_with_stdin_as_3(&mut self) -> std::process::Child;
}

impl SpawnWithStdinAs3 for Command {
    fn spawn_with_stdin_as_3(&mut self) -> std::process::Child {
        // SAFETY: dup2 is async-signal-safe and the closure touches nothing else.
        unsafe {
            self.pre_exec(|| match libc::dup2(0, 3) {
                3 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        self.spawn().unwrap()
    }
}
