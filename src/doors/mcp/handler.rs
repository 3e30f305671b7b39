//! What a client is told of the service, and who answers its calls.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::ServerHandler;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::Implementation;
use rmcp::model::ListToolsResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ServerCapabilities;
use rmcp::model::ServerConfig;
use rmcp::model::Tool;
use rmcp::service::RequestContext;

use super::call;
use super::tools;
use crate::api::AppState;

/// What a model is told of the service as a whole.
const INSTRUCTIONS: &str = "Runs untrusted code in a sandbox that exists for one call. To keep variables and files for \
     later calls, begin a session (`session`: \"new\") and name it in them by the handle that its answer has. There is \
     no network, no access to other files or processes, and no shell. Python has most of its standard library, and \
     numpy, pandas, matplotlib and others where they are imported.";

/// The tools, for one client.
#[derive(Clone, Debug)]
pub struct Mcp {
    state: Arc<AppState>,
    tools: Arc<[Tool]>,
}

impl Mcp {
    pub fn new(state: Arc<AppState>) -> Self {
        let tools = tools::all(&state.settings).into();
        Self { state, tools }
    }

    /// Serves over stdin and stdout until the client closes its end.
    ///
    /// # Errors
    /// When the client breaks the protocol at the start.
    pub async fn serve_stdio(self) -> Result<(), Box<dyn std::error::Error>> {
        let service = self.serve(rmcp::transport::stdio()).await?;
        service.waiting().await?;
        Ok(())
    }
}

impl ServerHandler for Mcp {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let name = env!("CARGO_PKG_NAME");
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(name, env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        call::call(&self.state, &self.tools, request, context).await
    }
}
