# What a sandboxed command finds as /usr on NixOS: bin/ with the programs of the given packages, as links into the store.
# testudo-sandbox@.service binds it there, read-only. The Debian counterpart is tool-root.sh.
{ pkgs, tools }:
pkgs.buildEnv {
  name = "testudo-tool-root";
  paths = tools;
  pathsToLink = [ "/bin" "/share/terminfo" ];
  extraPrefix = "/usr";
}
