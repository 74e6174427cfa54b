# The tool root of NixOS, built: images/tool-root.nix as it is, with a stand-in for what it takes of nixpkgs. `sandbox` is
# the built testudo-sandbox, which seals it; the tools are programs of this machine.
{ lib, sandbox }:
let
  derive = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    # The shell itself ends last: a program that closes its output before it exits is killed as if it hung.
    args = [ "-euc" "${script}\ntrue" ];
    PATH = "/usr/bin:/bin";
  };
  tool = name: derive name "mkdir -p $out/bin; cp /usr/bin/${name} $out/bin/";
  pkgs = {
    lib = lib // { version = "stand-in"; };
    cacert = derive "cacert" "mkdir -p $out/etc/ssl/certs; echo none >$out/etc/ssl/certs/ca-bundle.crt";
    buildEnv = { name, paths, pathsToLink, extraPrefix, postBuild }: derive name ''
      for path in ${toString paths}; do
        for wanted in ${toString pathsToLink}; do
          [ -d $path$wanted ] || continue
          mkdir -p $out${extraPrefix}$wanted
          ln -s $path$wanted/* $out${extraPrefix}$wanted/
        done
      done
      ${postBuild}
    '';
  };
in
import ../../images/tool-root.nix {
  inherit pkgs;
  tools = map tool [ "env" "sort" ];
  testudo = derive "testudo" "mkdir -p $out/lib/testudo; cp ${sandbox} $out/lib/testudo/testudo-sandbox";
}
