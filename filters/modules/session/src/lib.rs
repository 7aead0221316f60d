//! `mcp_session.wasm`.

struct R;
struct H;
use proxy_wasm::traits::*;
use proxy_wasm::types::*;
impl Context for R {}
impl RootContext for R {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> { Some(Box::new(H)) }
    fn get_type(&self) -> Option<ContextType> { Some(ContextType::HttpContext) }
}
impl Context for H {}
impl HttpContext for H {}
proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(R));
}}
