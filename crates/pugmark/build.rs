//! The package of the vTiger extension is part of the program: a change of it is a change of the program.

fn main() {
    println!("cargo::rerun-if-changed=../../vtiger-module/package");
    println!("cargo::rerun-if-changed=migrations");
}
