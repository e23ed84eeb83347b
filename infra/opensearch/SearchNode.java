import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback, without security: for tests and development. Arguments: data folder, HTTP port. */
public final class SearchNode {
  public static void main(String[] args) throws Exception {
    OpenSearchRunner runner = new OpenSearchRunner();
    runner.onBuild((number, settings) -> {
      settings.put("network.host", "127.0.0.1");
      settings.put("http.port", args[1]);
      settings.put("transport.port", "0");
      // An index that nobody made is a mistake, not one to be made up.
      settings.put("action.auto_create_index", "false");
      settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
    });
    runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).clusterName("caas").numOfNode(1).disableESLogger());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        runner.close();
      } catch (Exception ignored) {
        // It ends in any case.
      }
    }));
    Thread.currentThread().join();
  }
}
