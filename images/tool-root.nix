# What sandboxed commands find as /usr on NixOS: bin/ with the programs of the given packages, as links into the store,
# and the certificates where programs look for them. Sealed: testudo-tool-root.service verifies it at each boot, and
# what the links lead to is in the store under names that are hashes. The Debian counterpart is tool-root.sh.
{ pkgs, tools, testudo }:
pkgs.buildEnv {
  name = "testudo-tool-root";
  paths = tools;
  pathsToLink = [ "/bin" "/share/terminfo" ];
  extraPrefix = "/usr";
  postBuild = ''
    ln -s usr/bin $out/bin
    mkdir -p $out/etc/ssl/certs
    ln -s ${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt $out/etc/ssl/certs/ca-certificates.crt
    # As the store will have it: the modes are part of what is sealed.
    find $out -type d -exec chmod 0555 {} +
    chmod u+w $out
    built=$(printf -- '--built-from %s ' ${pkgs.lib.escapeShellArgs (map (tool: tool.name or "tool") tools)})
    ${testudo}/lib/testudo/testudo-sandbox seal-root $out --name nixos --root-version ${pkgs.lib.version} $built
    chmod u-w $out
  '';
}
