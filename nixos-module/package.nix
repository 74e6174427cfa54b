# The package: the workspace's binaries and units/, put in their places by the same script that any distribution uses.
{ lib, stdenv, rustPlatform }:
let
  # What is installed. The crates of tests/ take controls out of the daemons to show what they stop, and the
  # daemons refuse to be built for release that way.
  shipped = lib.concatMap (name: [ "-p" name ]) [
    "testudo-agentd"
    "testudo-auditd"
    "testudo-egressd"
    "testudo-matrixd"
    "testudo-extension"
    "testudo-modeld"
    "testudo-policyd"
    "testudo-sandbox"
    "testudo-toold"
    "testudoctl"
  ];
in
rustPlatform.buildRustPackage {
  pname = "testudo";
  version = (lib.importTOML ../Cargo.toml).workspace.package.version;

  src = lib.fileset.toSource {
    root = ../.;
    # Documents, images and tests of the whole appliance never cause a rebuild.
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../clippy.toml
      ../daemons
      ../tests
      ../docs/man
      ../policies
      ../units
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;

  # Unit tests need nothing but the compiler; those in tests/ need a bus and are run by ./check.
  cargoBuildFlags = shipped;
  cargoTestFlags = shipped ++ [ "--lib" ];

  installPhase = ''
    runHook preInstall
    PREFIX=$out BIN_DIR=target/${stdenv.hostPlatform.rust.cargoShortTarget}/release bash units/install ""
    runHook postInstall
  '';

  meta = {
    description = "Personal agent that asks before it acts, as a set of hardened systemd services";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "testudoctl";
    platforms = lib.platforms.linux;
  };
}
